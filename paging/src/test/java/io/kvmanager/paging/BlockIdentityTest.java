package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.kvmanager.ElementType;
import io.kvmanager.paging.BlockIdentity.Scope;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The golden vectors were computed by another program from the description in {@link BlockIdentity}. */
class BlockIdentityTest {
    private static final Scope PLAIN = new Scope("test-model@1", ElementType.BF16, 4, 0, "none", Map.of(), "", "");
    private static final Scope RICH = new Scope(
            "modèle", ElementType.F32, 2, 3, "chunk", Map.of("recent", "64", "ratio", "0.5"), "lora-7", "tenant-a");

    private static String hex(long[] digests, int block) {
        StringBuilder hex = new StringBuilder();
        for (int i = 0; i < BlockIdentity.DIGEST_LONGS; i++) {
            hex.append(String.format("%016x", digests[block * BlockIdentity.DIGEST_LONGS + i]));
        }
        return hex.toString();
    }

    @Test
    void goldenVectorsOfAPlainScope() {
        BlockIdentity identity = new BlockIdentity(PLAIN);
        assertEquals("a1e75f2afcc1f8c1ad9c5444334fef31bab0b860a0d4156f07363ca00b6469c2", hex(identity.root(), 0));
        long[] digests = new long[3 * BlockIdentity.DIGEST_LONGS];
        int[] tokens = {1, 2, 3, 4, 5, -6, 700, 80000, 9, 10, 11};
        assertEquals(2, identity.digest(tokens, tokens.length, digests), "a partial block has no identity");
        assertEquals("dd893609a055a9ba832e8a24bf98689ebb7c366e4487b7d83b35a7b430023099", hex(digests, 0));
        assertEquals("803c021bc6b46c0fa54f8a44f4bed2c7ac9814bee7e0347cb7c301a658ec3efd", hex(digests, 1));
        assertEquals("0".repeat(64), hex(digests, 2), "nothing is written behind the last full block");
    }

    @Test
    void goldenVectorsOfEverythingSet() {
        BlockIdentity identity = new BlockIdentity(RICH);
        assertEquals("aefa3aab18baffebde01c2aa292ab5d0e907e3081453832d68cdf30120dd8532", hex(identity.root(), 0));
        long[] digests = new long[BlockIdentity.DIGEST_LONGS];
        identity.digest(new int[] {1, 2}, 2, digests);
        assertEquals("8fadf7fa23a8e9cf3199f20148b5fd4045f09ac2db9eca6e2228d9e6fabe4a38", hex(digests, 0));
    }

    @Test
    void everyBlockCountsForThoseBehindIt() {
        BlockIdentity identity = new BlockIdentity(RICH);
        int[] tokens = {1, 2, 3, 4, 5, 6, 7, 8};
        long[] digests = new long[4 * BlockIdentity.DIGEST_LONGS];
        identity.digest(tokens, tokens.length, digests);
        for (int changed = 0; changed < 4; changed++) {
            int[] other = tokens.clone();
            other[2 * changed]++;
            long[] otherDigests = new long[digests.length];
            identity.digest(other, other.length, otherDigests);
            for (int block = 0; block < 4; block++) {
                assertEquals(block < changed, hex(digests, block).equals(hex(otherDigests, block)));
            }
        }
        assertThrows(
                IllegalArgumentException.class, () -> new Scope("m", ElementType.F32, 0, 0, "none", Map.of(), "", ""));
        assertEquals(1, new Scope("m", ElementType.F32, 1, 0, "none", Map.of(), "", "").blockTokens());
    }

    @Test
    void everyPartOfTheScopeCounts() {
        List<Scope> scopes = List.of(
                PLAIN,
                new Scope("test-model@2", ElementType.BF16, 4, 0, "none", Map.of(), "", ""),
                new Scope("test-model@1", ElementType.F16, 4, 0, "none", Map.of(), "", ""),
                new Scope("test-model@1", ElementType.BF16, 8, 0, "none", Map.of(), "", ""),
                new Scope("test-model@1", ElementType.BF16, 4, 1, "none", Map.of(), "", ""),
                new Scope("test-model@1", ElementType.BF16, 4, 0, "chunk", Map.of(), "", ""),
                new Scope("test-model@1", ElementType.BF16, 4, 0, "none", Map.of("ratio", ".5"), "", ""),
                new Scope("test-model@1", ElementType.BF16, 4, 0, "none", Map.of("ratio", ".6"), "", ""),
                new Scope("test-model@1", ElementType.BF16, 4, 0, "none", Map.of(), "a", ""),
                new Scope("test-model@1", ElementType.BF16, 4, 0, "none", Map.of(), "", "a"),
                new Scope("test-model@", ElementType.BF16, 4, 0, "none", Map.of(), "", "1"));
        Set<String> roots = new HashSet<>();
        scopes.forEach(scope -> roots.add(hex(new BlockIdentity(scope).root(), 0)));
        assertEquals(scopes.size(), roots.size());
    }

    @Test
    void aBlockDependsOnEverythingBeforeIt() {
        BlockIdentity identity = new BlockIdentity(PLAIN);
        long[] one = new long[2 * BlockIdentity.DIGEST_LONGS];
        long[] other = new long[2 * BlockIdentity.DIGEST_LONGS];
        identity.digest(new int[] {1, 2, 3, 4, 5, 6, 7, 8}, 8, one);
        identity.digest(new int[] {1, 2, 3, 9, 5, 6, 7, 8}, 8, other);
        assertEquals(4, new HashSet<>(List.of(hex(one, 0), hex(one, 1), hex(other, 0), hex(other, 1))).size());
    }

    @Test
    void blockByBlockIsTheSameAsAtOnce() {
        BlockIdentity identity = new BlockIdentity(PLAIN);
        int[] tokens = {4, 8, 15, 16, 23, 42, 108, 1};
        long[] atOnce = new long[2 * BlockIdentity.DIGEST_LONGS];
        identity.digest(tokens, tokens.length, atOnce);
        long[] stepwise = new long[2 * BlockIdentity.DIGEST_LONGS];
        identity.digestBlock(identity.root(), 0, tokens, 0, stepwise, 0);
        identity.digestBlock(stepwise, 0, tokens, 4, stepwise, BlockIdentity.DIGEST_LONGS);
        assertArrayEquals(atOnce, stepwise);
    }

    @Test
    void blocksHaveTokens() {
        assertThrows(
                IllegalArgumentException.class, () -> new Scope("m", ElementType.F32, 0, 0, "none", Map.of(), "", ""));
    }
}
