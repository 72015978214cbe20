package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Decode attention of one token in one layer: scores, softmax, weighted values; 8 KV heads, GQA group 4, head size 128,
 * blocks of 16 in random order. Four layers are taken in turn, so that only short contexts stay in cache. For bytes per
 * second against what the memory gives, see {@link AttentionRoof}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class AttentionBenchmark {
    private static final int LAYERS = 4;
    private static final long SEED = 20_240_607;

    @Param({"vector", "plain"})
    public String kernels = "vector";

    @Param({"BF16", "F32"})
    public ElementType elementType = ElementType.BF16;

    @Param({"1024", "4096", "16384", "32768", "65536"})
    public int context = 1024;

    @Param({"1", "2"})
    public int threads = 1;

    private @Nullable Device device;
    private @Nullable ScatteredCache cache;
    private @Nullable AttentionKernels attention;
    private int layer;

    @Setup
    public void open() {
        Device opened = ProviderSelection.device("host:" + kernels + ",threads=" + threads);
        device = opened;
        ScatteredCache filled =
                new ScatteredCache(opened, new CacheGeometry(LAYERS, 32, 8, 128, 16, elementType), context, SEED);
        cache = filled;
        attention = opened.kernels(filled.geometry, filled.slab);
    }

    @TearDown
    public void close() {
        Objects.requireNonNull(device).close();
    }

    /** One layer of one token; the sum keeps the work from being left out. */
    @Benchmark
    public double attend() {
        ScatteredCache filled = Objects.requireNonNull(cache);
        layer = (layer + 1) % LAYERS;
        filled.attend(Objects.requireNonNull(attention), layer);
        return filled.checksum();
    }
}
