package io.kvmanager.kernels;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Usability;
import io.kvmanager.spi.WorkerGroup;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;

/** Looks for the Vector API before any class that needs it is linked. */
final class VectorSupport {
    static final String NAME = "vector";
    private static final String MODULE = "jdk.incubator.vector";

    private VectorSupport() {}

    static Usability probe() {
        if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
            return new Usability.Unusable("module " + MODULE + " is absent; start java with --add-modules " + MODULE);
        }
        if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
            return new Usability.Unusable("the vector kernels need a little-endian machine");
        }
        return Linked.probe();
    }

    static AttentionKernels kernels(CacheGeometry geometry, MemorySegment slab, WorkerGroup workers) {
        return Linked.kernels(geometry, slab, workers);
    }

    /** Touched only when the module was found. */
    private static final class Linked {
        static Usability probe() {
            int bits = 32 * Lanes.LANES;
            return Lanes.LANES < 4
                    ? new Usability.Unusable("vectors of " + bits + " bits are too short")
                    : new Usability.Usable("vector kernels (" + bits + " bit)");
        }

        static AttentionKernels kernels(CacheGeometry geometry, MemorySegment slab, WorkerGroup workers) {
            return new VectorKernels(geometry, slab, workers);
        }
    }
}
