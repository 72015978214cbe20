/**
 * {@code kv stress}: random serving load on real devices under memory pressure, with faults, and an oracle in double
 * precision. Reading order: {@code StressCommand}, {@code StressRun}, {@code StressLife}, {@code StressClient},
 * {@code StressGuard}, {@code StressSequence}, {@code StressEngine}, {@code Fault}, {@code FaultPlan},
 * {@code ArmedFault}, {@code FaultyDeviceProvider}.
 */
@NullMarked
package io.kvmanager.bench.stress;

import org.jspecify.annotations.NullMarked;
