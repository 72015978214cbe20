// Checks every access of a kernel to memory.
//
// The kernels are compiled with -fsanitize=thread, which makes g++ call a function before each load and store; the
// functions are ours (access_check.cpp), not the sanitizer's. An access is legal if it lies, to the byte, in
//
//   the thread's own stack          local arrays
//   static or dynamic shared memory also watched for races between barriers (shared_races.h)
//   device or page-locked memory    address_space.h
//   the kernel library              constants and __device__ variables
//
// and if its address is a multiple of its size, which vector loads need.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emulation {

// CUresult values of a failed launch; all of them stay with the context for good.
constexpr int ILLEGAL_ADDRESS = 700;
constexpr int ILLEGAL_INSTRUCTION = 715;
constexpr int MISALIGNED_ADDRESS = 716;
constexpr int LAUNCH_FAILED = 719;

// Forgets which ranges were found legal: an allocation has gone.
void forgetRanges();

}  // namespace emulation
