// Gives what was freed back to the system.
//
// The allocator keeps freed memory for whoever asks next, page by page between what is still used:
// after the last request of a large model that is hundreds of megabytes which nobody may ask for
// again. Nothing else gives them back, so whoever has freed much says so here.
//
// Threads: thread-safe. Blocks for some milliseconds per GiB, and meanwhile whoever allocates from
// the part of the heap that is looked through.
#pragma once

namespace tritonpy {

// Does nothing where the C library cannot.
void give_back_free_memory();

}  // namespace tritonpy
