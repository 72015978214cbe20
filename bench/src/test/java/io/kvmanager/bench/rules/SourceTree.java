package io.kvmanager.bench.rules;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Where the modules of this repository and their Java sources lie. */
final class SourceTree {
    private SourceTree() {}

    /** The repository's root: the nearest folder at or above the working directory that holds the kvmanager module. */
    static Path root() {
        Path start = Path.of("").toAbsolutePath();
        for (Path folder = start; folder != null; folder = folder.getParent()) {
            if (Files.exists(folder.resolve("kvmanager/pom.xml"))) {
                return folder;
            }
        }
        throw new IllegalStateException("no folder at or above " + start + " holds kvmanager/pom.xml");
    }

    /** The folders of all modules, sorted. */
    static List<Path> modules() throws IOException {
        try (Stream<Path> folders = Files.list(root())) {
            return folders.filter(folder -> Files.exists(folder.resolve("pom.xml")))
                    .sorted()
                    .toList();
        }
    }

    /** Every Java source of every module, main, test and any other source set, sorted by module and path. */
    static List<Path> javaFiles() throws IOException {
        List<Path> files = new ArrayList<>();
        for (Path module : modules()) {
            Path sources = module.resolve("src");
            if (Files.isDirectory(sources)) {
                try (Stream<Path> below = Files.walk(sources)) {
                    below.filter(file -> file.toString().endsWith(".java"))
                            .sorted()
                            .forEach(files::add);
                }
            }
        }
        return List.copyOf(files);
    }
}
