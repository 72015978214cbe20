package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.ElementType;
import io.kvmanager.KvCacheConfig;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Numbers of slots and blocks, counted by hand: a block is 8 slots and 1024 bytes. */
class SlotBudgetTest {
    private static final int LAYERS = 5;
    private static final int PROMPT = 97;
    private static final int UNLIMITED = Integer.MAX_VALUE;

    private static KvCacheConfig.Builder builder(String retention, int layers) {
        CacheGeometry geometry = new CacheGeometry(layers, 6, 2, 16, 8, ElementType.F32);
        return KvCacheConfig.builder(CacheName.parse(retention.substring(0, retention.indexOf('('))), geometry)
                .device("host:plain")
                .set("retention", retention)
                .maxSequenceTokens(160);
    }

    private static SlotBudget budget(String retention) {
        return new SlotBudget(builder(retention, LAYERS).promptTokens(PROMPT).build());
    }

    private static int[] limits(SlotBudget budget, int basis) {
        return IntStream.range(0, LAYERS)
                .map(layer -> budget.limit(layer, basis))
                .toArray();
    }

    @Test
    void h2oCountsEveryQueryAndRemembersIt() {
        SlotBudget h2o = budget("h2o(budget=40,recent=.25)");
        assertTrue(h2o.accumulates());
        assertTrue(h2o.evictsInGeneration());
        assertFalse(h2o.headsAgree());
        assertFalse(h2o.readsPages());
        assertEquals(40, h2o.limit(0, PROMPT));
        assertEquals(10, h2o.recent(40));
        assertEquals(PROMPT, h2o.voters(PROMPT));
        assertEquals(1, h2o.poolingWidth());
        assertEquals(UNLIMITED, h2o.pagesRead(4, PROMPT));
        assertEquals(0, h2o.pageBytes());
        assertEquals(0, h2o.memoryBlocks(0));
        assertEquals(1, h2o.memoryBlocks(128), "a float for each of 2 KV heads");
        assertEquals(2, h2o.memoryBlocks(129));
        assertEquals(11, h2o.blocks(40));
        assertEquals(30, h2o.slotsAfterPrompt(0, 30));
        assertEquals(40, h2o.slotsAfterPrompt(0, PROMPT));
        assertEquals(40, h2o.slotsInStep(0, PROMPT, 39, 1));
        assertEquals(41, h2o.slotsInStep(0, PROMPT, 40, 1), "one more in a step");
        assertEquals(41, h2o.slotsInStep(0, PROMPT, 20, 100));
    }

    @Test
    void aSequencePeaksInItsPromptOrAtItsEnd() {
        SlotBudget h2o = budget("h2o(budget=40,recent=.25)");
        int whole = 2 * 13 + 1;
        assertEquals(4 * 11 + whole, h2o.promptBlocks(PROMPT), "the last layer, behind four that have evicted");
        assertEquals(4 * 11 + whole, h2o.peakBlocks(PROMPT, PROMPT));
        assertEquals(4 * 11 + whole, h2o.peakBlocks(PROMPT, 160));
        assertEquals(5 * (2 * 3 + 1), h2o.peakBlocks(20, 20));
        assertEquals(5 * (2 * 6 + 1), h2o.peakBlocks(20, 160), "41 slots");
        assertEquals(5 * (2 * 6 + 1), h2o.peakBlocks(1, 160), "token by token");
        assertEquals(5 * 3, h2o.peakBlocks(1, 1));
        assertEquals(0, h2o.peakBlocks(0, 0));
    }

    @Test
    void aPromptOfOneTokenHasThePlannedOnesShare() {
        SlotBudget tova = budget("tova(budget=.3)");
        assertEquals(2, tova.basis(2));
        assertEquals(PROMPT, tova.basis(1));
        assertEquals(
                160,
                new SlotBudget(builder("tova(budget=.3)", LAYERS)
                                .promptTokens(1)
                                .build())
                        .basis(1));
        assertEquals(
                2,
                new SlotBudget(builder("tova(budget=.3)", LAYERS)
                                .promptTokens(2)
                                .build())
                        .basis(1));
    }

    @Test
    void tovaHasOneChoiceForAllHeads() {
        SlotBudget tova = budget("tova(budget=.3)");
        assertTrue(tova.headsAgree());
        assertTrue(tova.evictsInGeneration());
        assertFalse(tova.accumulates());
        assertArrayEquals(new int[] {29, 29, 29, 29, 29}, limits(tova, PROMPT));
        assertEquals(1, tova.voters(PROMPT));
        assertEquals(0, tova.recent(29));
        assertEquals(0, tova.memoryBlocks(29));
        assertEquals(8, tova.blocks(29));
    }

    @Test
    void snapKvKeepsItsWindowAndWhatFollows() {
        SlotBudget snap = budget("snapkv(budget=.4,window=16,pool=5)");
        assertFalse(snap.evictsInGeneration());
        assertFalse(snap.headsAgree());
        assertEquals(38, snap.limit(2, PROMPT));
        assertEquals(16, snap.voters(PROMPT));
        assertEquals(10, snap.voters(10));
        assertEquals(16, snap.recent(38));
        assertEquals(9, snap.recent(9));
        assertEquals(5, snap.poolingWidth());
        assertEquals(1038, snap.slotsInStep(0, PROMPT, 38, 1000));
        assertEquals(5 * 2 * 13, snap.peakBlocks(PROMPT, 160), "38 and 63 tokens");
    }

    @Test
    void pyramidKvFallsInAnArithmeticProgression() {
        SlotBudget pyramid = budget("pyramidkv(budget=.4,window=8,pool=7,beta=3)");
        assertArrayEquals(new int[] {58, 48, 38, 28, 18}, limits(pyramid, PROMPT), "30 beside the window, 10 at least");
        assertArrayEquals(
                new int[] {97, 92, 87, 82, 77},
                limits(budget("pyramidkv(budget=.9,window=8,beta=3)"), PROMPT),
                "no more than there is");
        assertEquals(30, budget("pyramidkv(budget=30,window=8)").limit(0, 20), "nothing to share out");
        assertEquals(5, budget("pyramidkv(budget=5,window=8)").limit(4, PROMPT), "the window alone");
        assertEquals(8, pyramid.voters(PROMPT));
        assertEquals(6, pyramid.voters(6));
        assertEquals(8, pyramid.recent(18));
        assertEquals(3, pyramid.recent(3));
        assertEquals(7, pyramid.poolingWidth());
        SlotBudget alone = new SlotBudget(
                builder("pyramidkv(budget=.4,window=8)", 1).promptTokens(PROMPT).build());
        assertEquals(38, alone.limit(0, PROMPT));
    }

    @Test
    void questReadsPagesAndKeepsAll() {
        SlotBudget quest = budget("quest(budget=.3,full=1)");
        assertTrue(quest.readsPages());
        assertFalse(quest.evictsInGeneration());
        assertEquals(UNLIMITED, quest.limit(0, PROMPT));
        assertEquals(PROMPT, quest.slotsAfterPrompt(0, PROMPT));
        assertEquals(UNLIMITED, quest.pagesRead(0, PROMPT));
        assertEquals(4, quest.pagesRead(1, PROMPT), "29 tokens");
        assertEquals(0, quest.voters(PROMPT));
        assertEquals(0, quest.recent(PROMPT));
        assertEquals(2 * 2 * 64, quest.pageBytes());
        assertEquals(1, quest.memoryBlocks(32), "4 pages");
        assertEquals(2, quest.memoryBlocks(33));
    }
}
