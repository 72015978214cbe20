package io.kvmanager.bench.rules;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The directions between modules and how little they show of themselves. Read from each module's own compiled main
 * classes, so that tests, which may look wherever they need to, are not judged.
 */
final class ArchitectureTest {
    private static final String KERNELS = "io.kvmanager.kernels..";
    private static final String OFFLOAD = "io.kvmanager.offload..";
    private static final String PAGING = "io.kvmanager.paging..";
    private static final String INFERENCE = "io.kvmanager.inference..";
    private static final String BENCH = "io.kvmanager.bench..";

    private static JavaClasses classes;

    @BeforeAll
    static void importMainClasses() throws IOException {
        List<Path> folders = new ArrayList<>();
        for (Path module : SourceTree.modules()) {
            folders.add(mainClasses(module));
        }
        classes = new ClassFileImporter().importPaths(folders);
    }

    @Test
    void theApiKnowsNoImplementation() {
        noClasses()
                .that()
                .resideInAnyPackage("io.kvmanager", "io.kvmanager.spi..", "io.kvmanager.serving..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(KERNELS, OFFLOAD, PAGING, INFERENCE, BENCH)
                .check(classes);
    }

    @Test
    void kernelsKnowTheApiOnly() {
        neither(KERNELS, OFFLOAD, PAGING, INFERENCE, BENCH);
    }

    @Test
    void offloadKnowsTheApiAndDeviceAccessOnly() {
        neither(OFFLOAD, PAGING, INFERENCE, BENCH);
    }

    @Test
    void pagingKnowsTheApiOnly() {
        neither(PAGING, KERNELS, OFFLOAD, INFERENCE, BENCH);
    }

    @Test
    void anEngineKnowsTheApiOnly() {
        neither(INFERENCE, KERNELS, OFFLOAD, PAGING, BENCH);
    }

    @Test
    void packagesBelowTheRootHaveNoCycle() {
        slices().matching("io.kvmanager.(*)..").should().beFreeOfCycles().check(classes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"kvmanager", "kernels", "offload", "paging", "inference", "bench"})
    void aModuleKeepsToItsOwnPackages(String module) throws IOException {
        JavaClasses own =
                new ClassFileImporter().importPath(mainClasses(SourceTree.root().resolve(module)));
        assertFalse(own.isEmpty(), module + " has no compiled classes");
        List<String> strangers = own.stream()
                .map(JavaClass::getPackageName)
                .filter(name -> !owner(name).equals(module))
                .distinct()
                .toList();
        assertEquals(List.of(), strangers, "packages of other modules in " + module);
    }

    /** What the module shows is what ServiceLoader needs of it: the listed providers, public, and nothing else. */
    @ParameterizedTest
    @ValueSource(strings = {"kernels", "offload", "paging"})
    void onlyServiceProvidersArePublic(String module) throws IOException {
        Path folder = mainClasses(SourceTree.root().resolve(module));
        Set<String> open = new ClassFileImporter()
                .importPath(folder).stream()
                        .filter(JavaClass::isTopLevelClass)
                        .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                        .map(JavaClass::getName)
                        .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(providers(folder.resolve("META-INF/services")), open, "public types of " + module);
    }

    private static void neither(String from, String... targets) {
        noClasses()
                .that()
                .resideInAPackage(from)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(targets)
                .check(classes);
    }

    private static Path mainClasses(Path module) {
        return module.resolve("target/classes");
    }

    /** The module that owns a package: its third name part, or kvmanager for the root and its own packages. */
    private static String owner(String packageName) {
        String[] parts = packageName.split("\\.");
        boolean api = parts.length == 2 || Set.of("spi", "serving").contains(parts[2]);
        return api ? "kvmanager" : parts[2];
    }

    private static Set<String> providers(Path services) throws IOException {
        Set<String> names = new TreeSet<>();
        if (Files.isDirectory(services)) {
            try (Stream<Path> files = Files.list(services)) {
                for (Path file : files.toList()) {
                    for (String line : Files.readAllLines(file)) {
                        String name = line.replaceFirst("#.*", "").strip();
                        if (!name.isEmpty()) {
                            names.add(name);
                        }
                    }
                }
            }
        }
        return names;
    }
}
