package io.kvmanager;

import java.util.Objects;

/**
 * What a new sequence will begin with, so that the cache can start it behind a prefix that it holds already. Token ids,
 * adapter and tenant decide together what may be shared; immutable.
 */
public final class PrefixRequest {
    private final int[] tokens;
    private final String adapter;
    private final String tenant;
    private final int priority;

    private PrefixRequest(int[] tokens, String adapter, String tenant, int priority) {
        this.tokens = tokens;
        this.adapter = adapter;
        this.tenant = tenant;
        this.priority = priority;
    }

    /** A prompt's token ids, shared with everybody whose requests name no adapter and no tenant. */
    public static PrefixRequest of(int... tokens) {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("a request of 0 tokens; accepted: 1 or more");
        }
        return new PrefixRequest(tokens.clone(), "", "", 0);
    }

    /** The same prompt on the weights of an adapter: its name and revision. */
    public PrefixRequest adapter(String name) {
        return new PrefixRequest(tokens, Objects.requireNonNull(name, "name"), tenant, priority);
    }

    /** The same prompt of a tenant: nothing is shared with requests that carry another salt. */
    public PrefixRequest tenant(String salt) {
        return new PrefixRequest(tokens, adapter, Objects.requireNonNull(salt, "salt"), priority);
    }

    /** The same prompt with a priority, 0 or more, for eviction policies that look at it. */
    public PrefixRequest priority(int value) {
        if (value < 0) {
            throw new IllegalArgumentException("priority " + value + " is not accepted; accepted: 0 or more");
        }
        return new PrefixRequest(tokens, adapter, tenant, value);
    }

    /** Token ids; a copy. */
    public int[] tokens() {
        return tokens.clone();
    }

    public String adapter() {
        return adapter;
    }

    public String tenant() {
        return tenant;
    }

    public int priority() {
        return priority;
    }
}
