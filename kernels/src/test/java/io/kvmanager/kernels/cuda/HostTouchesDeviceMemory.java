package io.kvmanager.kernels.cuda;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jcuda.driver.CUdeviceptr;

/** A program with a fault that ends its JVM: it follows a device pointer on the host. */
final class HostTouchesDeviceMemory {
    private HostTouchesDeviceMemory() {}

    /** Reads the second of two floats in device memory. */
    public static void main(String[] arguments) {
        try (SelftestProgram program = new SelftestProgram(EmulatedDriver.fresh())) {
            CUdeviceptr pointer = program.upload(1, 2);
            SelftestProgram.check(SelftestProgram.finish());
            long address = SelftestProgram.address(pointer);
            float value = MemorySegment.ofAddress(address).reinterpret(8).getAtIndex(ValueLayout.JAVA_FLOAT, 1);
            throw new IllegalStateException("the host read " + value + " from device memory");
        }
    }
}
