// Shared memory, barriers and warp collectives, right and wrong.

constexpr unsigned ALL_LANES = 0xffffffffu;

// target[block] = sum of the block's part of source, by a tree in dynamic shared memory.
extern "C" __global__ void blockSum(const float* source, float* target) {
    extern __shared__ __align__(16) float parts[];
    parts[threadIdx.x] = source[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            parts[threadIdx.x] += parts[threadIdx.x + half];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        target[blockIdx.x] = parts[0];
    }
}

// Sums by warps; the kernel in which a test plants its faults.
extern "C" __global__ void __launch_bounds__(128) warpSums(const float* source, float* target) {
    __shared__ float sums[4];
    float sum = source[threadIdx.x];
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        sum += __shfl_down_sync(ALL_LANES, sum, lanes, 32);
    }
    if (threadIdx.x % 32 == 0) {
        sums[threadIdx.x / 32] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        target[0] = sums[0] + sums[1] + sums[2] + sums[3];
    }
}

// Each lane gives a number to its neighbour through shared memory; only __syncwarp makes that legal.
extern "C" __global__ void passOn(float* target, int synchronises) {
    __shared__ float slots[32];
    slots[threadIdx.x] = (float)threadIdx.x;
    if (synchronises) {
        __syncwarp();
    } else {
        __shfl_sync(ALL_LANES, 0, 0);
    }
    target[threadIdx.x] = slots[(threadIdx.x + 1) % 32];
}

// Shared memory of which nobody wrote the second place.
extern "C" __global__ void unwritten(float* target) {
    extern __shared__ float dynamic[];
    __shared__ float fixed[2];
    fixed[0] = dynamic[0] = 1;
    target[0] = dynamic[1];
    target[1] = fixed[1];
}

extern "C" __global__ void beyondShared(float* target) {
    extern __shared__ float dynamic[];
    dynamic[threadIdx.x] = 1;
    target[threadIdx.x] = dynamic[threadIdx.x];
}

extern "C" __global__ void barrierInBranch(float* target) {
    if (threadIdx.x < 16) {
        __syncthreads();
    } else {
        target[0] = __shfl_sync(ALL_LANES, 1.0f, 20);
    }
}

extern "C" __global__ void differentBarriers(float* target) {
    if (threadIdx.x < 32) {
        __syncthreads();
        target[0] = 1;
    } else {
        __syncthreads();
        target[1] = 1;
    }
}

extern "C" __global__ void differentCollectives(float* target) {
    if (threadIdx.x < 16) {
        target[0] = (float)__ballot_sync(ALL_LANES, 1);
    } else {
        target[1] = (float)__any_sync(ALL_LANES, 1);
    }
}

extern "C" __global__ void notInMask(float* target) {
    target[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, 0);
}

extern "C" __global__ void trapped(float* target) {
    if (target[0] != 1.0f) {
        __trap();
    }
}

// Lane l asks with what each kind of shuffle gives it: target[kind * 32 + l].
extern "C" __global__ void shuffles(float* target, int amount, int width) {
    float own = (float)threadIdx.x;
    target[threadIdx.x] = __shfl_sync(ALL_LANES, own, amount, width);
    target[32 + threadIdx.x] = __shfl_xor_sync(ALL_LANES, own, amount, width);
    target[64 + threadIdx.x] = __shfl_down_sync(ALL_LANES, own, (unsigned)amount, width);
    target[96 + threadIdx.x] = __shfl_up_sync(ALL_LANES, own, (unsigned)amount, width);
}

// Half of the lanes leave; the others vote, and read a lane that has left.
extern "C" __global__ void votes(float* target) {
    if (threadIdx.x >= 16) {
        return;
    }
    bool odd = threadIdx.x % 2 == 1;
    unsigned ballot = __ballot_sync(0xffffu, odd);
    bool all = __all_sync(0xffffu, odd);
    bool any = __any_sync(0xffffu, odd);
    float gone = __shfl_sync(ALL_LANES, 1.0f, 20);
    if (threadIdx.x == 0) {
        target[0] = (float)ballot;
        target[1] = (float)__popc(ballot);
        target[2] = (float)all;
        target[3] = (float)any;
        target[4] = gone;
    }
}

extern "C" __global__ void blockVotes(float* target) {
    bool third = threadIdx.x % 3 == 0;
    int count = __syncthreads_count(third);
    int any = __syncthreads_or(third);
    int all = __syncthreads_and(third);
    if (threadIdx.x == 0) {
        target[0] = (float)count;
        target[1] = (float)any;
        target[2] = (float)all;
    }
}
