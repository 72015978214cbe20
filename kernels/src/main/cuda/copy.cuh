// Copies by several threads.
#pragma once

#include "layout.cuh"

// Copies bytes by vectors if their number allows it, else by 2 bytes. Addresses are aligned accordingly.
__device__ inline void copyBytes(const unsigned char* from, unsigned char* to, int bytes, int thread, int threads) {
    if (bytes % VECTOR_BYTES == 0) {
#pragma unroll 4
        for (int i = thread; i < bytes / VECTOR_BYTES; i += threads) {
            reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(from)[i];
        }
    } else {
        for (int i = thread; i < bytes / 2; i += threads) {
            reinterpret_cast<unsigned short*>(to)[i] = reinterpret_cast<const unsigned short*>(from)[i];
        }
    }
}

__device__ inline void zeroBytes(unsigned char* to, int bytes, int thread, int threads) {
    if (bytes % VECTOR_BYTES == 0) {
        for (int i = thread; i < bytes / VECTOR_BYTES; i += threads) {
            reinterpret_cast<uint4*>(to)[i] = uint4{0, 0, 0, 0};
        }
    } else {
        for (int i = thread; i < bytes / 2; i += threads) {
            reinterpret_cast<unsigned short*>(to)[i] = 0;
        }
    }
}
