package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheException.DeviceOutOfMemory;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.TileResidency;
import io.kvmanager.spi.Usability;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;

/**
 * A device with a fault, for tests of tests: {@code faulty:FAULT,DEVICE}.
 *
 * <pre>
 * none           no fault
 * copies         blocks are not copied before they are written
 * tables         kernels see table entries one step late
 * allocation=n   the n-th request for memory is refused
 * </pre>
 */
public final class FaultyDeviceProvider implements DeviceProvider {
    private static final String NONE = "none";
    private static final String COPIES = "copies";
    private static final String TABLES = "tables";
    private static final String ALLOCATION = "allocation=";
    private static final int LAST = -1_000;

    /** For {@link java.util.ServiceLoader}. */
    public FaultyDeviceProvider() {}

    @Override
    public String name() {
        return "faulty";
    }

    @Override
    public int priority() {
        return LAST;
    }

    @Override
    public Usability probe() {
        return new Usability.Usable("for tests");
    }

    @Override
    public Device open(String argument) {
        String[] parts = argument.split(",", 2);
        if (!List.of(NONE, COPIES, TABLES).contains(parts[0]) && !parts[0].startsWith(ALLOCATION)) {
            throw new IllegalArgumentException("fault '" + parts[0] + "' is unknown");
        }
        return new Faulty(ProviderSelection.device(parts[1]), parts[0]).device();
    }

    /** One device and what is wrong with it. */
    private static final class Faulty {
        private final Device device;
        private final String fault;
        private final List<Runnable> late = new ArrayList<>();
        private boolean launched;
        private int allocations;

        Faulty(Device device, String fault) {
            this.device = device;
            this.fault = fault;
        }

        Device device() {
            return proxy(Device.class, (method, arguments) -> switch (method.getName()) {
                case "allocate" -> allocate((Tier) arguments[0], (long) arguments[1]);
                case "kernels" -> kernels(device.kernels((CacheGeometry) arguments[0], (MemorySegment) arguments[1]));
                case "table" -> table(device.table((MemorySegment) arguments[0]));
                case "tileResidency" ->
                    residency((AttentionKernels) arguments[0], (TileResidency.Request) arguments[1]);
                default -> method.invoke(device, arguments);
            });
        }

        private MemorySegment allocate(Tier tier, long bytes) {
            allocations++;
            if (fault.equals(ALLOCATION + allocations)) {
                throw new DeviceOutOfMemory("allocate", "refused", tier, bytes, 0, "for a test");
            }
            return device.allocate(tier, bytes);
        }

        private AttentionKernels kernels(AttentionKernels kernels) {
            return proxy(AttentionKernels.class, (method, arguments) -> {
                launched = true;
                boolean dropped = fault.equals(COPIES) && method.getName().equals("copyBlock");
                return dropped ? null : method.invoke(kernels, arguments);
            });
        }

        private TileResidency residency(AttentionKernels kernels, TileResidency.Request request) {
            if (device.tileResidency(kernels, request) != null) {
                throw new UnsupportedOperationException("faults are for devices that leave the choice to the host");
            }
            return null;
        }

        private IntTable table(IntTable table) {
            if (!fault.equals(TABLES)) {
                return table;
            }
            int[] known = new int[table.size()];
            return proxy(IntTable.class, (method, arguments) -> switch (method.getName()) {
                case "get" -> known[(int) arguments[0]];
                case "set" -> {
                    setLate(table, known, (int) arguments[0], (int) arguments[1]);
                    yield null;
                }
                case "fill" -> {
                    for (int i = (int) arguments[0]; i < (int) arguments[1]; i++) {
                        setLate(table, known, i, (int) arguments[2]);
                    }
                    yield null;
                }
                default -> method.invoke(table, arguments);
            });
        }

        /** The host knows the entry; kernels see it when the first entry of the next step is set. */
        private void setLate(IntTable table, int[] known, int index, int value) {
            if (launched) {
                late.forEach(Runnable::run);
                late.clear();
                launched = false;
            }
            known[index] = value;
            late.add(() -> table.set(index, value));
        }

        /** What is done instead of a call. */
        private interface Instead {
            Object call(Method method, Object[] arguments) throws ReflectiveOperationException;
        }

        private static <T> T proxy(Class<T> type, Instead instead) {
            return type.cast(Proxy.newProxyInstance(
                    type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
                        try {
                            return instead.call(method, arguments);
                        } catch (InvocationTargetException e) {
                            throw e.getCause();
                        }
                    }));
        }
    }
}
