/**
 * The rules that the whole source tree keeps, as tests: formatting, style and the directions between modules.
 *
 * <p>They live here because bench is the last module of the build: each rule runs once, over every module. A rule names
 * the file and line that breaks it; what a rule is for stands in {@code CONTRIBUTING.md}.
 */
package io.kvmanager.bench.rules;
