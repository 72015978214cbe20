package io.kvmanager.kernels.cuda;

/** How blocks go between the tiers. */
enum CopyWay {
    /** One call of the driver a block. */
    SINGLE,
    /** One call of the driver for many blocks, where the driver has one. */
    BATCH,
    /** A kernel that reads pinned host memory; blocks that go to host memory are copied in batches. */
    KERNEL,
    /** What suits the size of the blocks. */
    BEST;

    /** Smallest block that is left to the copy engines; measured by others on PCIe 5, see docs/decisions.md. */
    private static final long ENGINE_BYTES = 28 << 10;

    /** The way of one block; never {@link #BEST}. */
    CopyWay of(boolean toDevice, long bytes) {
        return switch (this) {
            case SINGLE -> SINGLE;
            case BATCH -> BATCH;
            case KERNEL -> toDevice ? KERNEL : BATCH;
            case BEST -> toDevice && bytes < ENGINE_BYTES ? KERNEL : BATCH;
        };
    }
}
