package events

import (
	"context"
	"fmt"
	"maps"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/strictjson"
)

const triggerDirect = "direct"

// isDirect reports whether the event is a payload without the envelope of a service.
func isDirect(e event) bool { return !e.Has("Records") && !e.Has("requestContext") }

// readPayload reads a payload without an envelope.
func (h *Handler) readPayload(_ context.Context, e event, meta departure.Meta) []departure.Event {
	return h.cfg.Decoder.DecodeObject(e.Object, meta)
}

// direct carries out the payload of a direct invocation, whose caller waits for the reply. It queues a departure that
// may work later, and errs for a failed one. Only a direct invocation may request an action or a dry run.
//
// It reads secrets without the limit, since the caller may have just corrected them.
func (h *Handler) direct(ctx context.Context, e event) ([]byte, error) {
	ctx = secrets.WithoutLimit(ctx)
	run, payload := h.cfg.Offboard.Run, e.Object
	if !e.Has("type") {
		if e.Has("action") {
			return h.action(ctx, payload)
		}
		dryRun, err := takeDryRun(&payload)
		if err != nil {
			return h.unreadable(ctx, triggerDirect, err)
		}
		if dryRun {
			run = h.cfg.Offboard.DryRun
		}
	}
	events, _ := h.bounded(ctx, h.cfg.Decoder.DecodeObject(payload, h.envelope()))
	outcomes := flat(h.run(ctx, run, events))
	h.enqueue(ctx, outcomes, func(o *departure.Outcome) bool { return o.Status == departure.Retry && !o.DryRun })
	return h.finish(ctx, triggerDirect, outcomes)
}

// takeDryRun returns the member dry_run, and removes it from the payload.
func takeDryRun(payload *strictjson.Object) (dryRun bool, err error) {
	if !payload.Has("dry_run") {
		return false, nil
	}
	if kind := strictjson.Kind((*payload)["dry_run"]); kind != "a boolean" {
		return false, fmt.Errorf("dry_run: %s where true or false is expected", kind)
	}
	*payload = maps.Clone(*payload)
	err = payload.Decode("dry_run", &dryRun)
	delete(*payload, "dry_run")
	return dryRun, err
}
