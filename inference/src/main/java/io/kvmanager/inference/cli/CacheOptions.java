package io.kvmanager.inference.cli;

import io.kvmanager.CacheName;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.inference.model.Model;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code --cache}, {@code --device} and {@code --set}: one cache. */
final class CacheOptions {
    @Option(
            names = {"-c", "--cache"},
            paramLabel = "<cache>",
            description = "full, paged, local, pyramid, kcache or pyramid+kcache; or one to compare with: h2o, snapkv, "
                    + "pyramidkv, tova, quest. Default: ${DEFAULT-VALUE}.")
    private String cache = CacheName.PYRAMID_KCACHE.toString();

    @Mixin
    private final SettingOptions settings = new SettingOptions();

    CacheName name() {
        return parse("--cache", cache);
    }

    SettingOptions settings() {
        return settings;
    }

    /** The configuration for one sequence of a model. */
    KvCacheConfig config(Model model, int maxSequenceTokens, int promptTokens) {
        return settings.config(name(), model, maxSequenceTokens, promptTokens);
    }

    /** A cache's name as a flag's value. */
    static CacheName parse(String flag, String name) {
        try {
            return CacheName.parse(name);
        } catch (IllegalArgumentException e) {
            throw BadInput.of(flag, e);
        }
    }

    /** Names separated by commas, each once, as {@code --caches} takes them. */
    static List<CacheName> parseList(String flag, String names) {
        List<CacheName> caches = new ArrayList<>();
        for (String name : names.split(",", -1)) {
            CacheName cache = parse(flag, name);
            if (!caches.contains(cache)) {
                caches.add(cache);
            }
        }
        return caches;
    }
}
