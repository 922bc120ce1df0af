//go:build !race

package simulation

// share is which part of TestSimulation runs: all of it.
const share = 1
