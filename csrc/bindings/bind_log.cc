#include "bindings/bind_log.h"

#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "bindings/python_status.h"

namespace py = pybind11;

namespace tritonpy {

namespace {

// Order of the tuple form: info, warning, error, verbose level, ISO 8601, file, escape.
using SettingsTuple = std::tuple<bool, bool, bool, uint32_t, bool, std::string, bool>;

SettingsTuple settings_of(const Log& log) {
    LogSettings settings = log.settings();
    return {settings.info,
            settings.warning,
            settings.error,
            settings.verbose_level,
            settings.format == LogFormat::kIso8601,
            settings.file,
            settings.escape};
}

void configure(Log& log, bool info, bool warning, bool error, uint32_t verbose_level, bool iso8601,
               std::string file, bool escape) {
    LogSettings settings;
    settings.info = info;
    settings.warning = warning;
    settings.error = error;
    settings.verbose_level = verbose_level;
    settings.format = iso8601 ? LogFormat::kIso8601 : LogFormat::kDefault;
    settings.file = std::move(file);
    settings.escape = escape;
    Status status = [&] {
        py::gil_scoped_release release;
        return log.configure(settings);
    }();
    raise_if_error(status);
}

}  // namespace

void bind_log(py::module_& module) {
    py::enum_<LogLevel>(module, "LogLevel")
        .value("ERROR", LogLevel::kError)
        .value("WARNING", LogLevel::kWarning)
        .value("INFO", LogLevel::kInfo)
        .value("VERBOSE", LogLevel::kVerbose);

    py::class_<Log, std::shared_ptr<Log>>(module, "Log")
        .def(py::init<>())
        .def("configure", &configure, py::arg("info"), py::arg("warning"), py::arg("error"),
             py::arg("verbose_level"), py::arg("iso8601"), py::arg("file"), py::arg("escape"))
        .def("settings", &settings_of)
        .def("enabled", &Log::enabled, py::arg("level"))
        .def("write", &Log::write, py::arg("level"), py::arg("file"), py::arg("line"),
             py::arg("text"), py::call_guard<py::gil_scoped_release>());
}

}  // namespace tritonpy
