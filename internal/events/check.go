package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/strictjson"
)

// Reachable is a service that departures need.
type Reachable interface {
	// Reachable errs where the service cannot be called. It changes nothing.
	Reachable(ctx context.Context) error
}

// checkRow is a row of {"action":"check"}. A row that is not OK says what is wrong and what to do.
type checkRow struct {
	Check    string `json:"check"` // merchant, sources, queue, dead_letter_queue or schedule_group
	OK       bool   `json:"ok"`
	Merchant string `json:"merchant,omitzero"`
	Token    *bool  `json:"token,omitzero"`       // whether there is one
	TokenAge *int64 `json:"token_age_s,omitzero"` // seconds since its secret was last written
	List     *bool  `json:"list,omitzero"`        // whether the bind list can be read
	Class    string `json:"class,omitzero"`
	ErrCode  int    `json:"errcode,omitzero"`
	RID      string `json:"rid,omitzero"`
	Detail   string `json:"detail,omitzero"`
}

// checkError is a check that found faults.
type checkError struct{ faults []checkRow }

// Error returns the number of faults and their rows as JSON, the first hundred of them.
func (e *checkError) Error() string {
	rows, err := strictjson.Marshal(e.faults[:min(len(e.faults), maxShown)])
	if err != nil {
		return err.Error()
	}
	unit := "faults"
	if len(e.faults) == 1 {
		unit = "fault"
	}
	return fmt.Sprintf("%d %s: %s", len(e.faults), unit, rows)
}

// checkReserve is how long before the invocation's timeout a check ends: at 48 s of 60 s, where DurationAlarm begins.
const checkReserve = 12 * time.Second

// check returns a row for each thing that a departure needs. It changes nothing, and repeats no call that failed.
func (h *Handler) check(ctx context.Context, payload strictjson.Object) (any, error) {
	merchants, err := merchantsOf(payload)
	if err != nil {
		return nil, err
	}
	// A check that waits for WeChat must not raise the alarm on the duration of invocations.
	ctx, cancel := reserve(ctx, checkReserve)
	defer cancel()
	var group errgroup.Group
	var ofMerchants []checkRow
	group.Go(func() error {
		ofMerchants = h.checkMerchants(ctx, merchants)
		return nil
	})
	type ask struct {
		name, class string // as for rowsOf
		do          func(context.Context) error
	}
	checks := []ask{
		{"sources", "secret", h.cfg.Sources.Check},
		{"queue", classAWS, h.cfg.Queue.Reachable},
		{"dead_letter_queue", classAWS, h.cfg.Queue.DeadLetterQueueReachable},
	}
	if h.cfg.Schedules != nil {
		checks = append(checks, ask{"schedule_group", classAWS, h.cfg.Schedules.Reachable})
	}
	ofOthers := make([][]checkRow, len(checks))
	for i, c := range checks {
		group.Go(func() error {
			ofOthers[i] = rowsOf(c.name, c.class, c.do(ctx))
			return nil
		})
	}
	_ = group.Wait() // no function errs: every fault is in a row
	rows := ofMerchants
	for _, more := range ofOthers {
		rows = append(rows, more...)
	}
	var faults []checkRow
	for _, row := range rows {
		if row.OK {
			continue
		}
		faults = append(faults, row)
		h.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "check fault", slog.String("check", row.Check),
			slog.String("class", row.Class), slog.String("merchant", row.Merchant), slog.Int("errcode", row.ErrCode),
			slog.String("rid", row.RID), slog.String("reason", row.Detail))
	}
	if len(faults) > 0 {
		return nil, &checkError{faults}
	}
	return map[string]any{"checks": rows}, nil
}

func (h *Handler) checkMerchants(ctx context.Context, merchants []string) []checkRow {
	var rows []checkRow
	for _, m := range h.cfg.Offboard.Check(ctx, merchants) {
		row := checkRow{
			Check: "merchant", OK: m.Fault.Status == "", Merchant: m.Merchant, Token: &m.Token, List: &m.List,
			Class: m.Fault.Class, ErrCode: m.Fault.ErrCode, RID: m.Fault.RID, Detail: m.Fault.Detail,
		}
		if m.Token {
			row.TokenAge = new(int64(m.Age.Seconds()))
		}
		rows = append(rows, row)
	}
	return rows
}

// rowsOf returns one row for the result of a check, or a row for each fault of the sources. The class is for an error
// that has none.
func rowsOf(name, class string, err error) []checkRow {
	if err == nil {
		return []checkRow{{Check: name, OK: true}}
	}
	if faulty, ok := errors.AsType[*source.FaultsError](err); ok {
		rows := make([]checkRow, len(faulty.Faults))
		for i, fault := range faulty.Faults {
			rows[i] = checkRow{Check: name, Class: class, Detail: fault}
		}
		return rows
	}
	return []checkRow{{Check: name, Class: cmp.Or(departure.ClassOf(err), class), Detail: err.Error()}}
}
