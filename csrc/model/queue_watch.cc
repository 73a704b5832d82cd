#include "model/queue_watch.h"

#include <system_error>

namespace tritonpy {

Status QueueWatch::start() {
    const std::string& model = context_.identity->name;
    try {
        thread_.emplace("queue_" + model, [this] { loop(); });
    } catch (const std::system_error& error) {  // thrown by std::thread
        return internal_error("unable to start the thread that watches the queue of model '" +
                              model + "': " + error.what());
    }
    return Status();
}

Pull QueueWatch::step() {
    const Pull pull = context_.scheduler.try_expire(context_.clock.now_ns(), dropped_);
    answer_dropped(dropped_, context_);
    return pull;
}

void QueueWatch::loop() {
    Pull pull;
    while (pull.kind != Pull::Kind::kStopped) {
        pull = context_.scheduler.expire(dropped_);
        answer_dropped(dropped_, context_);
    }
}

}  // namespace tritonpy
