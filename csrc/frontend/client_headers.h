// What a request takes along of its client's headers.
//
// Two may ask for them. The operator's pattern (wire/header_pattern.h) makes headers parameters of
// the request, where its model sees them, as in Triton. The rollouts of models name headers that
// they decide by; those go beside the request, and no model sees them. While nobody asks, no header
// is looked at.
//
// Over HTTP a parameter that has a meaning of its own is refused, and a name is as the client
// spelled it. Over gRPC what the transport needs for itself is left out, and so is binary metadata.
// A value that is no UTF-8 can be no parameter, and is left out too.
//
// Threads: compatible.
// Limits: those of a request's head. A stream of gRPC has one for all of its requests, and counts
// it with each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "infer/request.h"
#include "server/inference_server.h"
#include "wire/header_pattern.h"

namespace tritonpy {

// Taken from the head of a call, for each of its requests.
struct ClientHeaders {
    std::vector<Parameter> parameters;
    std::vector<RequestHeader> headers;

    void add_to(InferenceRequest& request) const;
    // What a request that has them holds more; 0 where there are none.
    size_t size() const;
};

class ClientHeaderReader {
  public:
    enum class Protocol : uint8_t { kHttp, kGrpc };

    // The pattern is borrowed; null: there is none.
    ClientHeaderReader(Protocol protocol, const HeaderPattern* pattern,
                       const InferenceServer& server)
        : protocol_(protocol), pattern_(pattern), routing_(server.routing_headers()) {}

    // Whether any header is to be read.
    bool wants_any() const { return pattern_ != nullptr || routing_ != nullptr; }
    // Takes a header along where somebody asks for it. HTTP: invalid_arg, with Triton's text, for
    // one that the pattern has and that is reserved.
    Status read(std::string_view name, std::string_view value);
    const ClientHeaders& taken() const { return taken_; }

  private:
    Status forward(std::string_view name, std::string_view value);

    const Protocol protocol_;
    const HeaderPattern* const pattern_;
    const std::shared_ptr<const RoutingHeaders::Names> routing_;  // null: none
    ClientHeaders taken_;
};

}  // namespace tritonpy
