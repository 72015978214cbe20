package io.kvmanager.bench.stress;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheException.DeviceOutOfMemory;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.TileResidency;
import io.kvmanager.spi.Usability;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The device {@code faulty:NAME}: the device NAME, whose calls fail, or take long, when the calling thread has
 * {@linkplain ArmedFault armed} that. Never chosen by {@code auto}.
 */
public final class FaultyDeviceProvider implements DeviceProvider {
    /** What a faulty device's name begins with. */
    static final String PREFIX = "faulty:";

    private static final AtomicLong LIVE_BYTES = new AtomicLong();
    private static final Set<String> DEVICE_CALLS = Set.of("write", "copy");

    /** For {@link java.util.ServiceLoader}. */
    public FaultyDeviceProvider() {}

    @Override
    public String name() {
        return "faulty";
    }

    @Override
    public int priority() {
        return Integer.MIN_VALUE;
    }

    @Override
    public Usability probe() {
        return new Usability.Usable("another device with faults; for kv stress");
    }

    @Override
    public Device open(String argument) {
        Device device = ProviderSelection.device(argument.isEmpty() ? ProviderSelection.AUTO : argument);
        return proxy(Device.class, new FaultyDevice(device));
    }

    /** Bytes in both tiers of all faulty devices that are open. */
    static long liveBytes() {
        return LIVE_BYTES.get();
    }

    private static <T> T proxy(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }

    private static @Nullable Object call(Object target, Method method, Object @Nullable [] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
    }

    private static @Nullable Object hit(Object target, Method method, Object @Nullable [] arguments) throws Throwable {
        ArmedFault fault = ArmedFault.ofThread();
        if (fault == null) {
            return call(target, method, arguments);
        }
        fault.before(method.getName());
        Object result = call(target, method, arguments);
        fault.after(method.getName());
        return result;
    }

    private static final class FaultyDevice implements InvocationHandler {
        private final Device device;
        private @Nullable AttentionKernels kernels;
        private boolean closed;

        FaultyDevice(Device device) {
            this.device = device;
        }

        @Override
        public @Nullable Object invoke(Object proxy, Method method, Object @Nullable [] arguments) throws Throwable {
            return switch (method.getName()) {
                case "allocate" -> allocate((Tier) argument(arguments, 0), (Long) argument(arguments, 1));
                case "kernels" -> {
                    AttentionKernels own = device.kernels(
                            (CacheGeometry) argument(arguments, 0), (MemorySegment) argument(arguments, 1));
                    kernels = own;
                    yield proxy(AttentionKernels.class, (self, called, with) -> hit(own, called, with));
                }
                case "tileResidency" -> residency((TileResidency.Request) argument(arguments, 1));
                case "close" -> {
                    close();
                    yield null;
                }
                default ->
                    DEVICE_CALLS.contains(method.getName())
                            ? hit(device, method, arguments)
                            : call(device, method, arguments);
            };
        }

        private static Object argument(Object @Nullable [] arguments, int index) {
            if (arguments == null) {
                throw new IllegalArgumentException("no arguments");
            }
            return arguments[index];
        }

        private MemorySegment allocate(Tier tier, long bytes) {
            ArmedFault armed = ArmedFault.ofThread();
            if (armed != null && armed.failsAllocation()) {
                throw new DeviceOutOfMemory("allocate", "INJECTED", tier, bytes, 0, "a fault of kv stress");
            }
            MemorySegment memory = device.allocate(tier, bytes);
            LIVE_BYTES.addAndGet(bytes);
            return memory;
        }

        private @Nullable TileResidency residency(TileResidency.Request request) {
            AttentionKernels own = kernels;
            if (own == null) {
                throw new IllegalStateException("tileResidency before kernels");
            }
            return device.tileResidency(own, request);
        }

        private void close() {
            if (!closed) {
                closed = true;
                LIVE_BYTES.addAndGet(-device.allocatedBytes(Tier.DEVICE) - device.allocatedBytes(Tier.HOST));
                device.close();
            }
        }
    }
}
