package io.kvmanager.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A real trace against a curve that another program computed. */
class ReferenceCurveTest {

    @Test
    void lruAndOptimumAreTheReferences() throws IOException {
        JsonNode reference = new ObjectMapper()
                .readTree(SampleTraces.shared("data/reference/mooncake_conversation_hit_curve.json")
                        .toFile())
                .get(0);
        Trace trace = TraceFile.read(
                SampleTraces.shared("data/traces/mooncake_conversation_trace.jsonl.gz")
                        .toString(),
                512);
        assertEquals(reference.get("requests").intValue(), trace.requests());
        assertEquals(reference.get("block_refs").intValue(), trace.references());
        assertEquals(reference.get("unique_blocks").intValue(), trace.uniqueBlocks());
        for (JsonNode point : reference.get("curve")) {
            int blocks = point.get("capacity_blocks").intValue();
            ReplayRun lru = TraceReplay.run(trace, "lru", blocks);
            assertEquals(point.get("lru_prefix_tailfirst").doubleValue(), lru.hitRatioBlocks(), 1e-12);
            assertEquals(point.get("evictions").longValue(), lru.evictions());
            ReplayRun optimum = TraceReplay.run(trace, ReplayRun.OPTIMUM, blocks);
            assertEquals(point.get("belady_prefix").doubleValue(), optimum.hitRatioBlocks(), 1e-12);
            if (blocks >= trace.uniqueBlocks()) {
                assertEquals(reference.get("inf_prefix_hit_tokens").doubleValue(), lru.hitRatioTokens(), 1e-12);
            }
        }
    }
}
