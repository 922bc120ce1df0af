//go:build race

package simulation

// share is which part of TestSimulation runs: the race detector takes ten times as long.
const share = 5
