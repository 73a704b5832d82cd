// Stands in for hiredis_link.cc in a server that was built without hiredis.
#include "model/hiredis_link.h"

namespace tritonpy {

Result<ConnectRedis> redis_connector(const RedisOptions&) {
    return unsupported(
        "Failed to initialize RedisCache: this server was built without redis; build it with "
        "hiredis (libhiredis-dev) and TRITONPY_REDIS=ON");
}

}  // namespace tritonpy
