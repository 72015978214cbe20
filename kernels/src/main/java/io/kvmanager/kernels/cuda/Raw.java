package io.kvmanager.kernels.cuda;

import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;

/** JCuda's pointers with readable addresses: JCuda keeps these to itself and to subclasses. */
final class Raw {
    private Raw() {}

    /** An address that the host can use. */
    static final class Host extends Pointer {
        Host(long address) {
            super(address);
        }
    }

    /** An address that the device can use. */
    static final class Device extends CUdeviceptr {
        /** For a call that fills it. */
        Device() {}

        Device(long address) {
            super(new CUdeviceptr(), address);
        }

        long address() {
            return getNativePointer() + getByteOffset();
        }
    }

    /** A stream whose handle an engine may need. */
    static final class Stream extends CUstream {
        long handle() {
            return getNativePointer();
        }
    }
}
