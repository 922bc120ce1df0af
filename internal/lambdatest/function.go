package lambdatest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Region is the region in the environment of functions and in the URLs of queues.
const Region = "us-east-1"

// accountID is the account of AWS's own examples.
const accountID = "123456789012"

// Config configures a [Function].
type Config struct {
	// Path is the built binary, which Lambda calls bootstrap.
	Path string
	// Env is the function's environment. The process gets it and what Lambda itself sets, and nothing of this
	// process's environment: no credentials or settings of a developer.
	Env map[string]string
	// Timeout is how long an invocation may take. Zero means 10 s.
	Timeout time.Duration
}

// Function is a built function in a process of its own. As on Lambda, it gets one event at a time. When the process
// has ended, by a panic or a timeout, the next event starts a new one.
type Function struct {
	config  Config
	timeout time.Duration // of an invocation
	log     *os.File      // not a pipe: the lines that the process wrote before its reply can be read with the reply
	server  *Server       // of the Runtime API
	events  chan *invocation

	invoking sync.Mutex // held during an invocation
	process  *process

	mu      sync.Mutex // never held while something waits
	current *invocation
}

type process struct {
	*os.Process
	started time.Time
	asked   chan time.Time   // gets the time at which it first asked for an event
	over    chan struct{}    // closed when it has ended
	state   *os.ProcessState // how, set before over is closed
	exit    *ExitError       // the error of an invocation during which it has ended
}

// kill ends the process and waits until it has ended.
func (p *process) kill() {
	_ = p.Kill() // it errs only if the process has already ended
	<-p.over
}

// ExitError means that the function's process ended without a reply.
type ExitError struct {
	// Status is how it ended, such as "exit status 1".
	Status string
	// Log is the end of what it had written.
	Log string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("lambdatest: the function's process ended (%s); the end of its log:\n%s", e.Status, e.Log)
}

// Start starts the function. It errs where the binary cannot be run. A process that ends by itself before its first
// event is an error of Invoke.
func Start(config Config) (*Function, error) {
	f := &Function{config: config, timeout: cmp.Or(config.Timeout, 10*time.Second), events: make(chan *invocation)}
	var err error
	if f.server, err = Serve("127.0.0.1:0", f.runtimeAPI()); err != nil {
		return nil, err
	}
	if f.log, err = os.CreateTemp("", "lambdatest-*.log"); err != nil {
		return nil, errors.Join(err, f.server.Close())
	}
	if err := f.start(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Function) start() error {
	env := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          f.server.Addr,
		"AWS_LAMBDA_FUNCTION_NAME":        "unbind",
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_REGION":                      Region,
		"AWS_DEFAULT_REGION":              Region,
		"AWS_ACCESS_KEY_ID":               "stand-in",
		"AWS_SECRET_ACCESS_KEY":           "stand-in",
		"AWS_EC2_METADATA_DISABLED":       "true",
		"TZ":                              ":UTC",
	}
	maps.Copy(env, f.config.Env)
	cmd := exec.Cmd{Path: f.config.Path, Args: []string{f.config.Path}, Stdout: f.log, Stderr: f.log}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	p := &process{started: time.Now(), asked: make(chan time.Time, 1), over: make(chan struct{})}
	f.mu.Lock() // the process may ask before Start returns, and a signal may come
	err := cmd.Start()
	if err == nil {
		p.Process, f.process = cmd.Process, p
	}
	f.mu.Unlock()
	if err != nil {
		return fmt.Errorf("lambdatest: start the function: %w", err)
	}
	go func() {
		defer close(p.over)
		_ = cmd.Wait() // the status tells the same
		const most = 4000
		log := f.Log()
		p.state = cmd.ProcessState
		p.exit = &ExitError{Status: cmd.ProcessState.String(), Log: log[max(0, len(log)-most):]}
	}()
	return nil
}

// Ready waits until the process has asked for its first event, and returns when it was started and when it asked:
// its INIT phase. It errs where ctx ends, or where the process does ([*ExitError]).
func (f *Function) Ready(ctx context.Context) (started, asked time.Time, err error) {
	p := f.process
	select {
	case asked = <-p.asked:
		return p.started, asked, nil
	case <-p.over:
		return p.started, asked, p.exit
	case <-ctx.Done():
		return p.started, asked, fmt.Errorf("lambdatest: the function did not ask for an event: %w", ctx.Err())
	}
}

// PID returns the number of the process.
func (f *Function) PID() int { return f.process.Pid }

// Signal sends a signal to the process, such as SIGSTOP, which freezes it as Lambda does between invocations.
func (f *Function) Signal(s os.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.process.Signal(s)
}

// End ends the process, and returns what it used. Close is still to be called.
func (f *Function) End() *os.ProcessState {
	f.invoking.Lock()
	defer f.invoking.Unlock()
	f.process.kill()
	return f.process.state
}

// Invoke passes the event to the function and returns its reply. An error of the function is a Reply too, and so is a
// timeout: 10 s after the function took the event, the process is ended. Invoke errs where ctx ends, or where the
// process does ([*ExitError]). Calls at the same time wait for each other.
func (f *Function) Invoke(ctx context.Context, event []byte) (Reply, error) {
	f.invoking.Lock()
	defer f.invoking.Unlock()
	inv := &invocation{id: uuid(), event: event, reply: make(chan Reply, 1)}
	f.mu.Lock()
	f.current = inv
	f.mu.Unlock()
	for started := false; ; {
		select {
		case f.events <- inv:
			return f.await(ctx, inv)
		case <-f.process.over:
			if started { // another new process would end in the same way
				return Reply{}, f.process.exit
			}
			started = true
			if err := f.start(); err != nil {
				return Reply{}, err
			}
		case <-ctx.Done():
			return Reply{}, fmt.Errorf("lambdatest: the function did not take the event: %w", ctx.Err())
		}
	}
}

// await returns what the invocation ends in once the function has taken it.
func (f *Function) await(ctx context.Context, inv *invocation) (Reply, error) {
	timer := time.NewTimer(f.timeout)
	defer timer.Stop()
	select {
	case reply := <-inv.reply:
		return reply, nil
	case <-timer.C:
		f.process.kill()
		message := fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, f.timeout.Seconds())
		return Reply{RequestID: inv.id, ErrorType: "Sandbox.Timedout", ErrorMessage: message, Duration: f.timeout}, nil
	case <-ctx.Done():
		return Reply{}, fmt.Errorf("lambdatest: the function did not reply: %w", ctx.Err())
	case <-f.process.over:
		select {
		case reply := <-inv.reply: // a panic: it is reported first, and then ends the process
			return reply, nil
		default:
			return Reply{}, f.process.exit
		}
	}
}

// Log returns what the function has written to its standard output and error. It must be called before Close.
func (f *Function) Log() string {
	text, err := os.ReadFile(f.log.Name())
	if err != nil {
		return "(log unreadable: " + err.Error() + ")"
	}
	return string(text)
}

// Close ends the process and removes its log.
func (f *Function) Close() error {
	f.invoking.Lock()
	defer f.invoking.Unlock()
	if f.process != nil {
		f.process.kill()
	}
	return errors.Join(f.server.Close(), f.log.Close(), os.Remove(f.log.Name()))
}
