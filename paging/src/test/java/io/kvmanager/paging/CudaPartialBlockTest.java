package io.kvmanager.paging;

import io.kvmanager.CacheName;
import io.kvmanager.Compensation;
import io.kvmanager.testing.CudaAvailable;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/** Copies of blocks in the order of a stream that the host does not wait for. */
@Tag("emulation")
@Tag("gpu")
@ExtendWith(CudaAvailable.class)
class CudaPartialBlockTest extends PartialBlockTest {
    @Override
    protected String device() {
        return CudaAvailable.DEVICE;
    }

    @Override
    protected IntStream parts() {
        return IntStream.of(3);
    }

    @Override
    protected int lives() {
        return 2;
    }

    protected static Stream<Kind> kinds() {
        return Stream.of(new Kind(CacheName.PAGED, Compensation.NONE), new Kind(CacheName.KCACHE, Compensation.INT4));
    }
}
