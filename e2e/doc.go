// Package e2e tests the deployment with the real tools: the function in containers of sam local, and the whole
// template on MiniStack, a local AWS. `make e2e` builds what is needed and runs the tests. They check bindings at the
// stand-in for WeChat, queues, log lines and replies.
package e2e
