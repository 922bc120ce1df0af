// Package e2e proves the deployment with the real tools: the function in sam local's containers, and the whole template on
// MiniStack, an AWS on this machine. `make e2e` builds what it needs and runs it. All it asserts is state that was seen:
// bindings at the stand-in for WeChat, queues, log lines, replies.
package e2e
