// Package simulation runs the real function in virtual time among stand-ins for AWS and WeChat that fail, and checks
// after every step that no promise is broken: no departure is lost, nobody is unbound by mistake, and no secret is shown.
//
// All of it is in tests. TestSimulation is a short run with each fault alone and all together. `make simulate` runs
// many: N departures from SEED on. A seed decides who leaves when, how it is sent, what fails and when the process dies.
// It does not decide the jitter of the function's own waits, nor the order of goroutines: a run that breaks a promise
// prints its story at once, because a second run of its seed may differ.
package simulation
