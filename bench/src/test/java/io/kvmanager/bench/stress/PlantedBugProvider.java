package io.kvmanager.bench.stress;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceProvider;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.Usability;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;

/** The device {@code planted:BUG}: the host, with one thing wrong that returns no error. */
public final class PlantedBugProvider implements DeviceProvider {
    private static final long THIRD_HOME = 3;

    @Override
    public String name() {
        return "planted";
    }

    @Override
    public int priority() {
        return Integer.MIN_VALUE;
    }

    @Override
    public Usability probe() {
        return new Usability.Usable("a device that computes wrong results");
    }

    @Override
    public Device open(String bug) {
        Device host = ProviderSelection.device("host:plain");
        return (Device) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {Device.class}, (proxy, method, arguments) -> {
                    Object result = call(host, method, arguments);
                    return result instanceof AttentionKernels kernels
                            ? wrong(kernels, bug, (CacheGeometry) arguments[0])
                            : result;
                });
    }

    private static Object wrong(AttentionKernels kernels, String bug, CacheGeometry geometry) {
        return Proxy.newProxyInstance(
                PlantedBugProvider.class.getClassLoader(),
                new Class<?>[] {AttentionKernels.class},
                (proxy, method, arguments) -> {
                    switch (bug + " " + method.getName()) {
                        case "lost-copy copyBlock", "lost-store store", "lost-load load" -> {
                            return null;
                        }
                        case "other-home load" -> { // every third home's bytes are its neighbour's
                            long home = (long) arguments[1] / geometry.blockBytes();
                            if (home % THIRD_HOME == 1) {
                                arguments[1] = (home - 1) * geometry.blockBytes();
                            }
                        }
                        default -> {}
                    }
                    return call(kernels, method, arguments);
                });
    }

    private static Object call(Object target, Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
    }
}
