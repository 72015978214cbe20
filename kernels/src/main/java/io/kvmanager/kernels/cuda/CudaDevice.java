package io.kvmanager.kernels.cuda;

import static jcuda.driver.JCudaDriver.cuMemcpyDtoDAsync;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheException.ProviderUnusable;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.RowExchange;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A GPU through the driver's API. Owns everything taken from the driver and gives it back in {@link #close}, in the
 * reverse order, after a failure too.
 *
 * <p>Everything that computes runs on one stream in the order of the calls; copies to host memory have a second one
 * ({@link StoreFence}). A launch is preceded by the table entries that were set before it ({@link TableWrites}) and by
 * the blocks that were to be stored or loaded ({@link BlockTransfers}).
 */
final class CudaDevice implements Device {
    private final CudaContext context;
    private final Arena arena = Arena.ofShared();
    private final KernelModules modules;
    private final CudaMemory memory;
    private final List<CudaTileResidency> residencies = new ArrayList<>();
    private final List<CudaRecording> recordings = new ArrayList<>();
    private final String description;
    private final CopyWay copies;
    private MemorySegment scratch = MemorySegment.NULL;
    private @Nullable StoreFence fence;
    private @Nullable BlockTransfers transfers;
    private @Nullable TableWrites writes;
    private @Nullable StagingRing staging;
    private @Nullable CudaRowExchange exchange;

    private CudaDevice(CudaContext context, CopyWay copies) {
        this.context = context;
        this.copies = copies;
        this.modules = new KernelModules(context);
        this.memory = new CudaMemory(this);
        this.description = "cuda, " + context.deviceName();
    }

    static CudaDevice open(CudaArgument argument) {
        CudaContext context = CudaContext.open(argument);
        try {
            CudaDevice device = new CudaDevice(context, argument.copies());
            device.take();
            return device;
        } catch (RuntimeException e) {
            context.close();
            throw e;
        }
    }

    private void take() {
        try {
            fence = new StoreFence(context);
            writes = new TableWrites(this);
            SymbolLookup driver = SymbolLookup.libraryLookup(DriverProbe.DRIVER, Arena.global());
            Optional<BatchCopy> batch = BatchCopy.find(driver, arena);
            if (copies == CopyWay.BATCH && batch.isEmpty()) {
                throw new ProviderUnusable("device 'cuda' cannot copy in batches here: the driver has no "
                        + BatchCopy.FIRST_NAME + ", which came with CUDA 12.8; accepted: copies=single, kernel, best");
            }
            transfers = new BlockTransfers(this, copies, batch);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public MemorySegment allocate(Tier tier, long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("bytes " + bytes + " is not accepted; accepted: 0 or more");
        }
        context.enterOutsideOfCapture("taking memory");
        return memory.allocate(tier, bytes);
    }

    @Override
    public long allocatedBytes(Tier tier) {
        return memory.askedBytes(tier);
    }

    @Override
    public AttentionKernels kernels(CacheGeometry geometry, MemorySegment slab) {
        context.enterOutsideOfCapture("preparing kernels");
        if (slab.byteSize() % geometry.blockBytes() != 0) {
            throw new IllegalArgumentException("a slab of " + slab.byteSize()
                    + " bytes is no whole number of blocks of " + geometry.blockBytes() + " bytes");
        }
        return new CudaKernels(this, geometry, slab);
    }

    @Override
    public IntTable table(MemorySegment of) {
        return new CudaIntTable(this, of);
    }

    @Override
    public void write(MemorySegment from, MemorySegment to, long toOffset, long bytes) {
        context.enterOutsideOfCapture("writing from host memory");
        beforeLaunchBehindStores();
        requireRange(to, toOffset, bytes);
        staging().write(from, to.address() + toOffset, bytes);
    }

    @Override
    public void read(MemorySegment from, long fromOffset, MemorySegment to, long bytes) {
        context.enterOutsideOfCapture("reading to host memory");
        beforeLaunch();
        requireRange(from, fromOffset, bytes);
        staging().read(from.address() + fromOffset, to, bytes);
    }

    @Override
    public void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
        beforeLaunchBehindStores();
        requireRange(from, fromOffset, bytes);
        requireRange(to, toOffset, bytes);
        if (bytes > 0) {
            Raw.Device source = new Raw.Device(from.address() + fromOffset);
            Raw.Device target = new Raw.Device(to.address() + toOffset);
            context.check(cuMemcpyDtoDAsync(target, source, bytes, context.stream()), "cuMemcpyDtoDAsync");
        }
    }

    private static void requireRange(MemorySegment memory, long offset, long bytes) {
        Objects.checkFromIndexSize(offset, bytes, memory.byteSize());
    }

    @Override
    public long scratchBytes(CacheGeometry geometry, int tokens) {
        return KernelLayout.scratchBytes(geometry, tokens);
    }

    @Override
    public long stream() {
        return context.stream().handle();
    }

    @Override
    public void synchronize() {
        context.enterOutsideOfCapture("waiting for the device");
        flush();
        context.synchronize();
    }

    @Override
    public RowExchange exchange() {
        CudaRowExchange own = exchange;
        if (own == null) {
            own = new CudaRowExchange(this);
            exchange = own;
        }
        return own;
    }

    @Override
    public TileResidency tileResidency(AttentionKernels kernels, TileResidency.Request request) {
        context.enterOutsideOfCapture("preparing a tile cache");
        if (!(kernels instanceof CudaKernels own) || own.device() != this) {
            throw new IllegalArgumentException("the kernels are not this device's");
        }
        CudaTileResidency residency = new CudaTileResidency(own, request);
        residencies.add(residency);
        return residency;
    }

    @Override
    public Recording record(Runnable launches) {
        context.enterOutsideOfCapture("a capture");
        beforeReplay();
        CudaRecording recording = CudaRecording.of(this, launches);
        recordings.add(recording);
        return recording;
    }

    /** A recording that its owner closes. */
    void forget(CudaRecording recording) {
        recordings.remove(recording);
        context.makeCurrentForClose();
    }

    // ---- what every launch goes through ----

    /** Readies the calling thread, and launches what waits. */
    void beforeLaunch() {
        context.enter();
        flush();
    }

    private void flush() {
        writes().flush();
        transfers().flush();
    }

    /** As {@link #beforeLaunch}, for what may overwrite a block or reads homes. */
    void beforeLaunchBehindStores() {
        beforeLaunch();
        fence().await();
    }

    /** Everything that recorded launches rely on and do not contain. */
    void beforeReplay() {
        beforeLaunchBehindStores();
        residencies.forEach(CudaTileResidency::flush);
    }

    /** How large a count can be when what is launched now runs. */
    int room(DeviceCount count) {
        return context.capturing() ? count.limit() : count.value();
    }

    // ---- parts ----

    CudaContext context() {
        return context;
    }

    /** Native memory that lives as long as the device. */
    Arena arena() {
        return arena;
    }

    KernelModules modules() {
        return modules;
    }

    CudaMemory memory() {
        return memory;
    }

    /** The scratch of the workspace whose scores were computed last; empty before. */
    MemorySegment scratch() {
        return scratch;
    }

    void scratch(MemorySegment ofWorkspace) {
        scratch = ofWorkspace;
    }

    StoreFence fence() {
        return Objects.requireNonNull(fence);
    }

    BlockTransfers transfers() {
        return Objects.requireNonNull(transfers);
    }

    TableWrites writes() {
        return Objects.requireNonNull(writes);
    }

    private StagingRing staging() {
        StagingRing ring = staging;
        if (ring == null) {
            ring = new StagingRing(context, memory);
            staging = ring;
        }
        return ring;
    }

    @Override
    public void close() {
        if (!context.prepareClose()) {
            return;
        }
        recordings.forEach(CudaRecording::free);
        if (exchange != null) {
            exchange.close();
        }
        if (staging != null) {
            staging.close();
        }
        if (fence != null) {
            fence.close();
        }
        modules.close();
        memory.close();
        arena.close();
        context.close();
    }
}
