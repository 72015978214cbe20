// Ways for threads of a block to use the same words of shared memory, each legal with a barrier and a race without.

// Every thread writes a byte of its own, then reads another's.
extern "C" __global__ void ownBytes(float* target, int synchronises) {
    __shared__ unsigned char bytes[64];
    bytes[threadIdx.x] = (unsigned char)threadIdx.x;
    bytes[threadIdx.x] += 1;
    if (synchronises) {
        __syncthreads();
    }
    target[threadIdx.x] = bytes[threadIdx.x ^ 1];
}

// Everybody reads a word, then one thread writes it.
extern "C" __global__ void readByAll(float* target, int synchronises) {
    __shared__ float word;
    if (threadIdx.x == 0) {
        word = 5;
    }
    __syncthreads();
    target[threadIdx.x] = word;
    if (synchronises) {
        __syncthreads();
    }
    if (threadIdx.x == 33) {
        word = 6;
    }
}

// The same, after the first warp has met: that says nothing about the second one.
extern "C" __global__ void readByTwoWarps(float* target, int synchronises) {
    __shared__ float word;
    if (threadIdx.x == 0) {
        word = 5;
    }
    __syncthreads();
    target[threadIdx.x] = word;
    __syncwarp();
    if (synchronises) {
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        word = 6;
    }
}

// Atomics are no race with each other, but with a read.
extern "C" __global__ void addThenRead(float* target, int synchronises) {
    __shared__ int sum;
    if (threadIdx.x == 0) {
        sum = 0;
    }
    __syncthreads();
    atomicAdd(&sum, 1);
    if (synchronises) {
        __syncthreads();
    }
    target[threadIdx.x] = (float)sum;
}

// Halves of warps meet among themselves.
extern "C" __global__ void halfWarps(float* target, int synchronises) {
    __shared__ float slots[64];
    slots[threadIdx.x] = (float)threadIdx.x;
    if (synchronises) {
        __syncwarp(threadIdx.x % 32 < 16 ? 0xffffu : 0xffff0000u);
    }
    target[threadIdx.x] = slots[threadIdx.x ^ 15];
}

// A vector covers four words.
extern "C" __global__ void vectors(float* target, int synchronises) {
    __shared__ float4 slots[64];
    slots[threadIdx.x] = make_float4(1, 2, 3, (float)threadIdx.x);
    if (synchronises) {
        __syncthreads();
    }
    target[threadIdx.x] = reinterpret_cast<float*>(slots)[(threadIdx.x ^ 2) * 4 + 3];
}
