package io.kvmanager.paging;

import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.testing.CudaAvailable;
import io.kvmanager.testing.KvCacheContract;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/** The cache contract on CUDA: one of each kind of configuration, since on the emulated driver a kernel takes long. */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaCacheTest extends KvCacheContract {
    private static final Set<String> TAKEN =
            Set.of("full as it comes", "paged F32", "half", "layers(1/.2/.4/1) offloaded", "one head");

    @Override
    protected String device() {
        return CudaAvailable.DEVICE;
    }

    @Override
    protected List<Compensation> compensations() {
        return List.of(Compensation.RENORMALISE, Compensation.MEAN, Compensation.INT4);
    }

    @Override
    protected List<Integer> promptLengths() {
        return List.of(17, 45);
    }

    protected static Stream<Case> cases() {
        return KvCacheContract.cases().filter(testCase -> TAKEN.contains(testCase.text()));
    }

    protected static Stream<CacheName> names() {
        return KvCacheContract.names().filter(name -> !name.budgeted()); // see CudaBudgetPolicyTest
    }
}
