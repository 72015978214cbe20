// Qualifiers that build.sh must still see in the preprocessed text (it finds the kernels and the dynamic shared
// memory by them); this file is therefore included in the second pass only.
#pragma once

#define __global__ __attribute__((used))
#define __launch_bounds__(...)
// Thread-local storage of the library is exactly the blocks' static shared memory: one segment with a known start and
// size, in templates too, which the engine can poison before every block and watch for races.
#define __shared__ thread_local
