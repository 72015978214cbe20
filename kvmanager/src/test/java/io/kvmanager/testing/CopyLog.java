package io.kvmanager.testing;

import io.kvmanager.CacheGeometry;
import io.kvmanager.spi.AttentionKernels;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** Stands between a value tier and its kernels: knows what each tile of the slab was last loaded with, and can fail. */
final class CopyLog {
    /** What a tile of the slab holds. */
    record HostTile(int home, int kvHead) {}

    /** What {@link #failAfter} throws. */
    static final class CopyFailure extends RuntimeException {
        private static final long serialVersionUID = 1L;

        CopyFailure(String copy) {
            super("injected into " + copy);
        }
    }

    private static final int NEVER = -1;

    private final CacheGeometry geometry;
    private final AttentionKernels kernels;
    private final Map<Integer, HostTile> held = new HashMap<>();
    private int copiesUntilFailure = NEVER;

    CopyLog(CacheGeometry geometry, AttentionKernels kernels) {
        this.geometry = geometry;
        this.kernels = kernels;
    }

    /** The kernels, observed. */
    AttentionKernels observed() {
        return (AttentionKernels) Proxy.newProxyInstance(
                AttentionKernels.class.getClassLoader(), new Class<?>[] {AttentionKernels.class}, this::call);
    }

    private Object call(Object proxy, Method method, Object[] arguments) throws ReflectiveOperationException {
        String name = method.getName();
        boolean isCopy = name.equals("store") || name.equals("load") || name.equals("loadTile");
        if (isCopy && copiesUntilFailure != NEVER && copiesUntilFailure-- == 0) {
            if (name.equals("loadTile")) {
                held.remove(arguments[2]);
            }
            throw new CopyFailure(name);
        }
        if (name.equals("loadTile")) {
            long tile = (long) arguments[1] / geometry.tileBytes();
            int kvHeads = geometry.kvHeads();
            held.put((int) arguments[2], new HostTile((int) (tile / kvHeads), (int) (tile % kvHeads)));
        }
        try {
            return method.invoke(kernels, arguments);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
    }

    /** Lets so many copies pass and fails the one behind them; what its target tile held is lost. */
    void failAfter(int copies) {
        copiesUntilFailure = copies;
    }

    /** Tiles that are in device memory, as far as the copies tell. */
    Set<HostTile> held() {
        return new HashSet<>(held.values());
    }

    /** A home was freed: what was loaded from it does not count any more. */
    void forget(int home) {
        held.values().removeIf(tile -> tile.home() == home);
    }
}
