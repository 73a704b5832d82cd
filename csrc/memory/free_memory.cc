#include "memory/free_memory.h"

#include <cstdlib>  // for __GLIBC__

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace tritonpy {

void give_back_free_memory() {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

}  // namespace tritonpy
