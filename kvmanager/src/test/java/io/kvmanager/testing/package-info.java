/**
 * Contract suites and oracles for whoever implements {@link io.kvmanager.spi}; shipped as this module's test-jar.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>A contract is an abstract JUnit class; an implementation adds one factory method and inherits every case.
 *   <li>An oracle is naive and computes in double precision; it shares no code with what it judges.
 *   <li>Random cases are seeded, and a failure's message carries the seed and the case.
 * </ul>
 */
@NullMarked
package io.kvmanager.testing;

import org.jspecify.annotations.NullMarked;
