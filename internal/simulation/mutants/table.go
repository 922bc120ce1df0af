package main

// guard is something in the code or the template that keeps a promise.
type guard struct {
	// name says what the guard does.
	name string
	// file has the text of the guard exactly once. Instead stands in its place where the guard is removed.
	file, text, instead string
	// reason is why no test can miss it.
	reason string
}

// guards is the table of guards: one row each.
func guards() []guard {
	return []guard{
		{
			name: "count as sent what the queue did not take", file: "internal/events/keep.go",
			text:    `case errs[i] == nil:`,
			instead: `case true:`,
		},
		{
			name: "queue what the dead-letter queue does not take", file: "internal/events/keep.go",
			text:    "\th.enqueue(ctx, outcomes, (*departure.Outcome).Lost)\n",
			instead: ``,
		},
		{
			name: "wait until a departure is due", file: "internal/events/keep.go",
			text:    `return max(0, o.NotBefore.Sub(h.cfg.Now())) + time.Second`,
			instead: `return 0`,
		},
		{
			name: "keep the original of what cannot be read", file: "internal/events/keep.go",
			text:    `body := original`,
			instead: `body := []byte("{}")`,
		},
		{
			name: "queue each departure, not only the first", file: "internal/events/keep.go",
			text:    "\t\tpicked = append(picked, o)\n",
			instead: "\t\tif len(picked) > 0 {\n\t\t\tcontinue\n\t\t}\n\t\tpicked = append(picked, o)\n",
		},
		{
			name: "name the uid in a dead letter", file: "internal/events/keep.go",
			text:    `"uid_hash":   departure.Hash(o.UID),`,
			instead: ``,
		},
		{
			name: "send the reason with a dead letter", file: "internal/events/keep.go",
			text:    `"reason":     o.Detail,`,
			instead: ``,
		},
		{
			name: "come back no part of a second too early", file: "internal/events/keep.go",
			text:    `o.NotBefore.Sub(h.cfg.Now())) + time.Second`,
			instead: `o.NotBefore.Sub(h.cfg.Now()))`,
		},
		{
			name: "name the messages that stay", file: "internal/events/sqs.go",
			text:    `if !settled[i] {`,
			instead: `if !settled[i] && false {`,
		},
		{
			name: "remember that a departure waited", file: "internal/events/sqs.go",
			text:    `read[j].Waited = true`,
			instead: `read[j].Waited = false`,
		},
		{
			name: "give up with a reason at the last try", file: "internal/events/sqs.go",
			text:    `m.received() < queue.MaxReceives`,
			instead: `m.received() < 1000`,
		},
		{
			name: "split a record of several departures", file: "internal/events/sqs.go",
			text:    `if i < 0 && len(m.outcomes) > 1 {`,
			instead: `if i < 0 && len(m.outcomes) > 1000 {`,
		},
		{
			name: "keep a record with a departure that is not done", file: "internal/events/sqs.go",
			text:    "\t\ti = slices.IndexFunc(m.outcomes, (*departure.Outcome).Lost)\n",
			instead: "\t\ti = -1\n",
		},
		{
			name: "hide a message as long as its fault asks for", file: "internal/events/sqs.go",
			text:    `if err := h.cfg.Queue.Hide(ctx, m.ReceiptHandle, wait); err != nil {`,
			instead: "_ = wait\n\tif err := error(nil); err != nil {",
		},
		{
			name: "bound the pairs of a batch of messages", file: "internal/events/sqs.go",
			text:    `if total+pairs > departure.MaxPairs {`,
			instead: `if false {`,
		},
		{
			name: "keep a message whose dead letter was not taken", file: "internal/events/sqs.go",
			text:    "return true\n\t}\n\t// If hiding fails",
			instead: "return true\n\t}\n\tif m.outcomes[i].Status == departure.Failed {\n\t\treturn true\n\t}\n\t// If hiding fails",
		},
		{
			name: "end in an error what is neither done nor kept", file: "internal/events/handler.go",
			text:    `if o.Lost() {`,
			instead: `if false {`,
		},
		{
			name: "keep time for the reply", file: "internal/events/handler.go",
			text:    `replyTime = 500 * time.Millisecond`,
			instead: `replyTime = 0 * time.Millisecond`,
		},
		{
			name: "keep time for the queue", file: "internal/events/handler.go",
			text:    `queueTime = 5 * time.Second`,
			instead: `queueTime = 0 * time.Second`,
		},
		{
			name: "mask the uid in the log", file: "internal/events/handler.go",
			text:    `slog.String("uid", departure.Mask(o.UID)),`,
			instead: `slog.String("uid", o.UID),`,
		},
		{
			name: "log each outcome", file: "internal/events/handler.go",
			text:    "for _, o := range outcomes {\n\t\tattrs",
			instead: "for _, o := range outcomes {\n\t\tif o.Status == departure.Unknown {\n\t\t\tcontinue\n\t\t}\n\t\tattrs",
		},
		{
			name: "bound the pairs of an event", file: "internal/events/handler.go",
			text:    `bounded = departure.Bounded(events, len(merchants))`,
			instead: `bounded = events`,
		},
		{
			name: "acknowledge a webhook only once it is queued", file: "internal/events/hook.go",
			text:    `if h.lost(ctx, w, name, outcomes) {`,
			instead: `if h.lost(ctx, w, name, outcomes) && false {`,
		},
		{
			name: "acknowledge a POST only once it is done or kept", file: "internal/events/hook.go",
			text:    `if h.lost(ctx, w, sourceOfUnbind, outcomes) {`,
			instead: `if h.lost(ctx, w, sourceOfUnbind, outcomes) && false {`,
		},
		{
			name: "keep what cannot be read in a webhook", file: "internal/events/hook.go",
			text:    `h.sendToDeadLetterQueue(ctx, triggerHTTP, outcomes, recordOf(events))`,
			instead: `_ = recordOf(events)`,
		},
		{
			name: "keep what a POST could not do", file: "internal/events/hook.go",
			text:    `h.keep(ctx, triggerHTTP, outcomes, recordOf(events))`,
			instead: `_ = recordOf(events)`,
		},
		{
			name: "name the verified source, not the one in the payload", file: "internal/events/hook.go",
			text:    `delivery.Events[i].Source = name // the verified one, whatever the payload says`,
			instead: `_ = i`,
		},
		{
			name: "obey dry_run", file: "internal/events/direct.go",
			text:    `run = h.cfg.Offboard.DryRun`,
			instead: `run = h.cfg.Offboard.Run`,
		},
		{
			name: "queue no dry run", file: "internal/events/direct.go",
			text:    `o.Status == departure.Retry && !o.DryRun`,
			instead: `o.Status == departure.Retry`,
		},
		{
			name: "read the secret at once for a direct invocation", file: "internal/events/direct.go",
			text:    `ctx = secrets.WithoutLimit(ctx)`,
			instead: `_ = secrets.WithoutLimit`,
		},
		{
			name: "ignore an action in a destination record", file: "internal/events/destination.go",
			text:    `case dryRun, inner.Has("action"):`,
			instead: `case dryRun && false:`,
		},
		{
			name: "take the type from the detail-type", file: "internal/events/eventbridge.go",
			text:    `envelope.Type = typeOf(envelope.Type)`,
			instead: `envelope.Type = departure.TypeLeft`,
		},
		{
			name: "refuse a limit beside an envelope", file: "internal/events/trigger.go",
			text:    `return rows[i], departure.Misplaced(e.Object, "")`,
			instead: `return rows[i], nil`,
		},
		{
			name: "refuse a limit in the wrong place", file: "internal/departure/decode.go",
			text:    `err := Misplaced(data, "data: ", "uid", "merchant", "effective_at")`,
			instead: `err := error(nil)`,
		},
		{
			name: "refuse an unknown member of the bare form", file: "internal/departure/decode.go",
			text:    `if err = data.Only("uid", "merchant", "effective_at"); err != nil {`,
			instead: `if err = error(nil); err != nil {`,
		},
		{
			name: "ignore other types", file: "internal/departure/decode.go",
			text:    `if meta.Type != "" && meta.ignored() {`,
			instead: `if false {`,
		},
		{
			name: "obey effective_at", file: "internal/departure/decode.go",
			text:    `event.EffectiveAt, err = d.readEffective(data)`,
			instead: `_, err = d.readEffective(data)`,
		},
		{
			name: "obey merchant", file: "internal/departure/decode.go",
			text:    `event.Merchants, err = data.Strings("merchant")`,
			instead: `_, err = data.Strings("merchant")`,
		},
		{
			name: "wait for the end of the last day", file: "internal/departure/decode.go",
			text:    `t = t.AddDate(0, 0, 1)`,
			instead: `t = t.AddDate(0, 0, 0)`,
		},
		{
			name: "read the time of an event", file: "internal/departure/decode.go",
			text:    `if meta.Time, err = time.Parse(time.RFC3339, s); err != nil {`,
			instead: `if _, err = time.Parse(time.RFC3339, s); err != nil {`,
		},
		{
			name: "keep the type of a cancellation in the queue", file: "internal/departure/departure.go",
			text:    `e := Event{Meta: d.Meta, UIDs`,
			instead: "d.Meta.Type = TypeLeft\n\te := Event{Meta: d.Meta, UIDs",
		},
		{
			name: "keep the merchant in the queue", file: "internal/departure/departure.go",
			text:    `e.Merchants = []string{d.Merchant}`,
			instead: `e.Merchants = nil`,
		},
		{
			name: "keep the due date in the queue", file: "internal/departure/departure.go",
			text:    `UIDs: []string{d.UID}, EffectiveAt: d.EffectiveAt}`,
			instead: `UIDs: []string{d.UID}}`,
		},
		{
			name: "keep the time in the queue", file: "internal/departure/departure.go",
			text:    "\tif d.Merchant != \"\" {\n\t\te.Merchants",
			instead: "\te.Time = time.Time{}\n\tif d.Merchant != \"\" {\n\t\te.Merchants",
		},
		{
			name: "carry out at the last merchant too", file: "internal/departure/departure.go",
			text:    `for _, merchant := range merchants {`,
			instead: `for _, merchant := range merchants[:max(1, len(merchants)-1)] {`,
		},
		{
			name: "refuse more than 5,000 pairs", file: "internal/departure/departure.go",
			text:    `if pairs <= MaxPairs {`,
			instead: `if pairs <= 1<<40 {`,
		},
		{
			name: "know which errors pass by themselves", file: "internal/departure/departure.go",
			text:    `return errors.As(err, &passing) && passing.Temporary()`,
			instead: `return errors.As(err, &passing) && false`,
		},
		{
			name: "count as lost what is neither done nor kept", file: "internal/departure/outcome.go",
			text:    `return !o.Status.Done() && !o.Kept`,
			instead: `return !o.Status.Done() && !o.Kept && false`,
		},
		{
			name: "count a retry as not done", file: "internal/departure/outcome.go",
			text:    `{Retry, "may work later, and could not be queued", warn, false},`,
			instead: `{Retry, "may work later, and could not be queued", warn, true},`,
		},
		{
			name: "warn of who is in no table of people", file: "internal/departure/outcome.go",
			text:    `case o.Class == ClassUnmapped:`,
			instead: `case false:`,
		},
		{
			name: "mask a uid", file: "internal/departure/person.go",
			text:    `return uid[:first] + hidden + uid[len(uid)-last:]`,
			instead: `return uid[:first] + uid[first:len(uid)-last] + uid[len(uid)-last:]`,
		},
		{
			name: "refuse control characters in a uid", file: "internal/departure/person.go",
			text:    `case strings.ContainsFunc(uid, unicode.IsControl):`,
			instead: `case strings.ContainsFunc(uid, unicode.IsControl) && false:`,
		},
		{
			name: "wait until a departure is due, at once", file: "internal/offboard/offboard.go",
			text:    `later := !dryRun && (event.Type == departure.TypeCancelled || event.EffectiveAt.After(start))`,
			instead: `later := !dryRun && event.Type == departure.TypeCancelled`,
		},
		{
			name: "carry a cancellation out", file: "internal/offboard/offboard.go",
			text:    `later := !dryRun && (event.Type == departure.TypeCancelled || event.EffectiveAt.After(start))`,
			instead: `later := !dryRun && event.EffectiveAt.After(start)`,
		},
		{
			name: "ask what stands for who waited", file: "internal/offboard/offboard.go",
			text:    `if o.Waited && !dryRun && s.cfg.Schedules != nil {`,
			instead: `if false {`,
		},
		{
			name: "remove the schedule of what is carried out", file: "internal/offboard/offboard.go",
			text:    `s.forget(ctx, ps, event, all[i])`,
			instead: `_ = all[i]`,
		},
		{
			name: "read the list after errcode 0", file: "internal/offboard/merchant.go",
			text:    `if err == nil && !m.cfg.Trust || policyOf(err).verify {`,
			instead: `if policyOf(err).verify {`,
		},
		{
			name: "believe the list, not errcode 0", file: "internal/offboard/merchant.go",
			text:    "\t\tcase o.Status == departure.Unbound:\n",
			instead: "\t\tcase false:\n",
		},
		{
			name: "look at every row of a uid", file: "internal/offboard/merchant.go",
			text:    `bound[b.UID] = bound[b.UID] || b.Bound`,
			instead: `bound[b.UID] = b.Bound`,
		},
		{
			name: "try again where the list may be read later", file: "internal/offboard/merchant.go",
			text:    `if settle(o, err); o.Status == departure.Failed || isNotFound(err) {`,
			instead: `if settle(o, err); true {`,
		},
		{
			name: "say which unbinding is not verified", file: "internal/offboard/merchant.go",
			text:    `o.Status, o.Class, o.ErrCode, o.RID = departure.Unbound, classUnverified, 0, ""`,
			instead: `o.Status, o.Class, o.ErrCode, o.RID = departure.Unbound, "", 0, ""`,
		},
		{
			name: "renew a refused token once", file: "internal/offboard/merchant.go",
			text:    `case isRefused && m.renewed:`,
			instead: `case isRefused && m.renewed && false:`,
		},
		{
			name: "stop at a merchant whose token is refused", file: "internal/offboard/merchant.go",
			text:    `m.halted = cmp.Or(m.halted, err) // calls`,
			instead: `_ = cmp.Or(m.halted, err) // calls`,
		},
		{
			name: "renew a token once, not for each call that it was refused for", file: "internal/offboard/merchant.go",
			text:    `isRefused := refused != nil && refused.token == m.token`,
			instead: `isRefused := refused != nil`,
		},
		{
			name: "read the list although another uid was refused", file: "internal/offboard/merchant.go",
			text:    "\t\tm.halted = nil // the list",
			instead: "\t\t_ = 0 // the list",
		},
		{
			name: "bound the attempts", file: "internal/offboard/merchant.go",
			text:    `if p.again && attempts < m.cfg.Attempts && m.pause(ctx, attempts) {`,
			instead: `if p.again && m.pause(ctx, min(attempts, 3)) {`,
		},
		{
			name: "keep time for the list", file: "internal/offboard/merchant.go",
			text:    `deadline.Add(-min(10*time.Second, time.Until(deadline)/3))`,
			instead: `deadline`,
		},
		{
			name: "ask the list after bad input and undocumented codes", file: "internal/offboard/fault.go",
			text:    `return policy{verify: true}`,
			instead: `return policy{}`,
		},
		{
			name: "retry what the time ran out for", file: "internal/offboard/fault.go",
			text:    `if timeout || departure.IsTemporary(err) {`,
			instead: `if departure.IsTemporary(err) {`,
		},
		{
			name: "settle a person's events in the order of their times", file: "internal/offboard/later.go",
			text:    "return a.Time.Compare(b.Time) })\n\t\t\tfor",
			instead: "return b.Time.Compare(a.Time) })\n\t\t\tfor",
		},
		{
			name: "obey a newer event", file: "internal/offboard/later.go",
			text:    `if covers && (d.Time.After(o.Time) || taken) && !newest.Time.After(d.Time) {`,
			instead: `if covers && taken && false && !newest.Time.After(d.Time) {`,
		},
		{
			name: "a cancellation of the same time is newer", file: "internal/offboard/later.go",
			text:    `|| taken) &&`,
			instead: `|| taken && false) &&`,
		},
		{
			name: "a cancellation for all covers each merchant", file: "internal/offboard/later.go",
			text:    `covers := d.Merchant == "" || d.Merchant == o.Merchant`,
			instead: `covers := d.Merchant == o.Merchant`,
		},
		{
			name: "a cancellation for one covers no other merchant", file: "internal/offboard/later.go",
			text:    `covers := d.Merchant == "" || d.Merchant == o.Merchant`,
			instead: `covers := true`,
		},
		{
			name: "keep a cancellation", file: "internal/offboard/later.go",
			text:    "\tif !s.put(ctx, p, o) {\n",
			instead: "\tif false {\n",
		},
		{
			name: "refuse a cancellation that covers only a part", file: "internal/offboard/later.go",
			text:    "\t\tcase d.Merchant == \"\":\n",
			instead: "\t\tcase false:\n",
		},
		{
			name: "remove what is taken back", file: "internal/offboard/later.go",
			text:    "\t\tif err := s.cfg.Schedules.Remove(ctx, d.UID, d.Merchant); err != nil {\n\t\t\tunscheduled(o, err)\n",
			instead: "\t\tif err := error(nil); err != nil {\n\t\t\tunscheduled(o, err)\n",
		},
		{
			name: "wait in the queue for a clock that is behind", file: "internal/offboard/later.go",
			text:    `if o.Waited && o.EffectiveAt.Sub(s.cfg.Now()) <= firing {`,
			instead: `if false {`,
		},
		{
			name: "look once more at a schedule that is firing", file: "internal/offboard/later.go",
			text:    `before.EffectiveAt.Sub(now).Abs() <= firing {`,
			instead: `now.IsZero() {`,
		},
		{
			name: "retry where the schedules cannot be read", file: "internal/offboard/later.go",
			text:    "\tif departure.IsTemporary(err) {\n\t\to.Status = departure.Retry",
			instead: "\tif false {\n\t\to.Status = departure.Retry",
		},
		{
			name: "act only where it is known what stands", file: "internal/offboard/later.go",
			text:    "\tif p.err != nil {\n\t\tunscheduled(o, p.err)\n\t\treturn true\n\t}\n\treturn p.overtakes(o)",
			instead: "\treturn p.overtakes(o)",
		},
		{
			name: "remove no newer schedule", file: "internal/offboard/later.go",
			text:    `!d.Time.After(o.Time) && d.EffectiveAt.After`,
			instead: `d.EffectiveAt.After`,
		},
		{
			name: "remove the older schedule of who is unknown", file: "internal/offboard/later.go",
			text:    `o.Status == departure.Unbound || o.Status == departure.Unknown && o.Class == ""`,
			instead: `o.Status == departure.Unbound`,
		},
		{
			name: "say that a schedule is left", file: "internal/offboard/later.go",
			text:    `cmp.Or(p.err, fault, s.remove(ctx, p, o, everywhere)); err != nil {`,
			instead: `cmp.Or(p.err, fault, s.remove(ctx, p, o, everywhere)); err != nil && false {`,
		},
		{
			name: "know the one merchant of a single token", file: "internal/offboard/later.go",
			text:    `return err == nil && !index && slices.Equal(named, merchants), err`,
			instead: `return err == nil && !index && slices.Equal(named, merchants) && false, err`,
		},
		{
			name: "keep the class unverified", file: "internal/offboard/later.go",
			text:    `o.Class = cmp.Or(o.Class, classSchedule)`,
			instead: `o.Class = classSchedule`,
		},
		{
			name: "round up to the minute", file: "internal/schedule/schedule.go",
			text:    `if whole := t.Truncate(time.Minute); whole.Before(t) {`,
			instead: `if whole := t.Truncate(time.Minute); whole.Before(t) && false {`,
		},
		{
			name: "keep the newer schedule", file: "internal/schedule/schedule.go",
			text:    `case newer(stands, d):`,
			instead: `case false:`,
		},
		{
			name: "believe no list that lacks the list", file: "internal/schedule/schedule.go",
			text:    `if err == nil && out.Schedules == nil { // Scheduler`,
			instead: `if false && out.Schedules == nil { // Scheduler`,
		},
		{
			name: "believe no creation that is not confirmed", file: "internal/schedule/schedule.go",
			text:    "\tout, err := s.api.CreateSchedule(ctx, input)\n\tif err == nil && out.ScheduleArn == nil {",
			instead: "\tout, err := s.api.CreateSchedule(ctx, input)\n\tif err == nil && out == nil {",
		},
		{
			name: "know a cancellation that waits", file: "internal/schedule/schedule.go",
			text:    "members[\"type\"] = strictjson.Value(`\"` + departure.TypeCancelled + `\"`)",
			instead: `_ = members`,
		},
		{
			name: "keep a cancellation for 14 days", file: "internal/schedule/schedule.go",
			text:    `keepCancelled = 14 * 24 * time.Hour`,
			instead: `keepCancelled = time.Hour`,
		},
		{
			name: "find the schedules of this person alone", file: "internal/schedule/schedule.go",
			text:    `return hash(uid, 32) + "-"`,
			instead: `return hash(uid, 1) + "-"`,
		},
		{
			name: "keep what Scheduler cannot deliver", file: "internal/schedule/schedule.go",
			text:    "\t\t\tDeadLetterConfig: &types.DeadLetterConfig{Arn: &s.config.DeadLetterQueueARN},\n",
			instead: ``,
		},
		{
			name: "delete a schedule after it fired", file: "internal/schedule/schedule.go",
			text:    `types.ActionAfterCompletionDelete`,
			instead: `types.ActionAfterCompletionNone`,
		},
		{
			name: "count as sent only what SQS confirms", file: "internal/queue/queue.go",
			text:    `fill(errs, fmt.Errorf("%s: send: SQS did not confirm the message: %s", to.name, adviceProxy))`,
			instead: `_ = adviceProxy`,
		},
		{
			name: "count as not sent what SQS names as failed", file: "internal/queue/queue.go",
			text:    `setError(errs, failed.Id, fmt.Errorf("%s: send: %s", to.name, aws.ToString(failed.Code)))`,
			instead: `setError(errs, failed.Id, nil)`,
		},
		{
			name: "count as not sent what was not tried after a fault", file: "internal/queue/queue.go",
			text:    "fill(part, *err)\n",
			instead: "_ = err\n",
		},
		{
			name: "send at most 10 messages a call", file: "internal/queue/queue.go",
			text:    `maxEntries = 10`,
			instead: `maxEntries = 11`,
		},
		{
			name: "send at most 256 KiB a call", file: "internal/queue/queue.go",
			text:    `maxBytes   = 256 << 10`,
			instead: `maxBytes   = 256 << 20`,
		},
		{
			name: "end a call of SQS in time", file: "internal/queue/queue.go",
			text:    `callTime = 4500 * time.Millisecond`,
			instead: `callTime = time.Minute`,
		},
		{
			name: "send all messages", file: "internal/queue/queue.go",
			text:    `for from := 0; from < len(messages); {`,
			instead: `for from := 0; from < min(10, len(messages)); {`,
		},
		{
			name: "send what SQS refuses without the characters", file: "internal/queue/queue.go",
			text:    `if unicode.IsControl(r) || r == utf8.RuneError`,
			instead: `if unicode.IsControl(r) && false || r == utf8.RuneError`,
		},
		{
			name: "wait longer with each try", file: "internal/queue/wait.go",
			text:    `wait = min(longest, time.Minute<<(max(receiveCount, 1)-1))`,
			instead: `wait = 0`,
		},
		{
			name: "wait for the quota of the next day", file: "internal/queue/wait.go",
			text:    `if class == string(wedata.DailyQuota) {`,
			instead: `if false {`,
		},
		{
			name: "believe no reply without errcode", file: "internal/wedata/reply.go",
			text:    `case noCode != nil || code == nil || r.Errcode.times != 1:`,
			instead: "case noCode != nil || code == nil:\n\t\treturn r.Info.value.kept, nil\n\tcase r.Errcode.times != 1:",
		},
		{
			name: "believe no errcode 0 of a faulty status", file: "internal/wedata/reply.go",
			text:    `case resp.StatusCode < 200 || resp.StatusCode > 299:`,
			instead: `case false:`,
		},
		{
			name: "believe no list without info", file: "internal/wedata/reply.go",
			text:    `case o.list && r.Info.times != 1:`,
			instead: `case false:`,
		},
		{
			name: "believe no entry without is_bind", file: "internal/wedata/reply.go",
			text:    `b.IsBind.times != 1 || b.IsBind.value == nil:`,
			instead: "b.IsBind.value == nil && false:\n\tcase b.IsBind.value == nil:\n\t\treturn nil",
		},
		{
			name: "follow no redirect", file: "internal/wedata/client.go",
			text:    `return http.ErrUseLastResponse }`,
			instead: `return nil }`,
		},
		{
			name: "send the token over HTTPS only", file: "internal/wedata/client.go",
			text:    `!isLocal(u.Hostname())):`,
			instead: `!isLocal(u.Hostname()) && false):`,
		},
		{
			name: "know an expired token", file: "internal/wedata/class.go",
			text:    `[]int{40001, 40014, 41001, 42001}},`,
			instead: `[]int{40001, 40014, 41001}},`,
		},
		{
			name: "retry a code that nobody knows", file: "internal/wedata/class.go",
			text:    `{Undocumented, true,`,
			instead: `{Undocumented, false,`,
		},
		{
			name: "use the token of this merchant", file: "internal/token/store.go",
			text:    `switch e, known := f.entries[merchant]; {`,
			instead: `switch e, known := f.entries[slices.Concat(f.appids, []string{merchant})[0]]; {`,
		},
		{
			name: "read the secret again for a refused token", file: "internal/token/store.go",
			text:    `if err != nil || token.Value != refused.Value {`,
			instead: `if true {`,
		},
		{
			name: "look for a merchant that was added just now", file: "internal/token/store.go",
			text:    `if _, known := f.entries[merchant]; f.index && !known {`,
			instead: `if false {`,
		},
		{
			name: "refuse a secret of another merchant", file: "internal/token/form.go",
			text:    `case f.appids[0] != "" && f.appids[0] != merchant:`,
			instead: `case false:`,
		},
		{
			name: "forget a secret that was taken away", file: "internal/secrets/cache.go",
			text:    `} else if !err.Temporary() {`,
			instead: `} else if false {`,
		},
		{
			name: "keep what the read that began last brought", file: "internal/secrets/cache.go",
			text:    `if number > e.number {`,
			instead: `if number > 0 {`,
		},
		{
			name: "go on with a read that others wait for", file: "internal/secrets/cache.go",
			text:    `context.WithoutCancel(ctx)`,
			instead: `ctx`,
		},
		{
			name: "read a refused secret once in 30 s", file: "internal/secrets/cache.go",
			text:    `e.held = now.Add(c.cfg.Hold)`,
			instead: `e.held = now`,
		},
		{
			name: "serve an old secret for an hour only", file: "internal/secrets/cache.go",
			text:    `stale   = time.Hour `,
			instead: `stale   = 1000 * time.Hour `,
		},
		{
			name: "end a read of a secret in time", file: "internal/secrets/cache.go",
			text:    `timeout = 5 * time.Second`,
			instead: `timeout = time.Hour`,
		},
		{
			name: "verify a key", file: "internal/source/bearer.go",
			text:    `if !anyEqual(given, b.keys) {`,
			instead: `if false {`,
		},
		{
			name: "verify a signature", file: "internal/source/hmac.go",
			text:    `if !anyEqual(candidates, wanted) {`,
			instead: `if !anyEqual(candidates, wanted) && false {`,
		},
		{
			name: "reach only the merchants of the source", file: "internal/source/merchants.go",
			text:    `if len(allowed) > 0 && slices.ContainsFunc(event.Merchants, other) {`,
			instead: `if false && other("") {`,
		},
		{
			name: "refuse what is left and cancelled at once", file: "internal/source/mapping.go",
			text:    `case left && cancelled:`,
			instead: `case false:`,
		},
		{
			name: "refuse a value that is nearly the one", file: "internal/source/mapping.go",
			text:    `case nearlyLeft != "":`,
			instead: `case false:`,
		},
		{
			name: "know a rehire", file: "internal/source/mapping.go",
			text:    `return departure.TypeCancelled, "", nil`,
			instead: `return departure.TypeLeft, "", nil`,
		},
		{
			name: "obey the due date of a mapped event", file: "internal/source/mapping.go",
			text:    `event.EffectiveAt, err = mp.effective.at(item)`,
			instead: `_, err = mp.effective.at(item)`,
		},
		{
			name: "template: partial batches", file: "template.yaml",
			text:    `FunctionResponseTypes: [ReportBatchItemFailures]`,
			instead: `FunctionResponseTypes: []`,
		},
		{
			name: "template: failure destination", file: "template.yaml",
			text:    "        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt UnbindQueue.Arn}}\n",
			instead: ``,
		},
		{
			name: "template: what SNS cannot deliver", file: "template.yaml",
			text:    "            RedrivePolicy: {deadLetterTargetArn: !GetAtt UnbindQueue.Arn}\n",
			instead: ``,
		},
		{
			name: "template: what EventBridge cannot deliver", file: "template.yaml",
			text:    `, DeadLetterConfig: {Arn: !GetAtt UnbindQueue.Arn}}`,
			instead: `}`,
		},
		{
			name: "template: tries", file: "template.yaml",
			text:    `maxReceiveCount: 12`,
			instead: `maxReceiveCount: 3`,
		},
		{
			name: "template: visibility", file: "template.yaml",
			text:    `VisibilityTimeout: 360`,
			instead: `VisibilityTimeout: 60`,
		},
		{
			name: "template: retention of the queue", file: "template.yaml",
			text:    `MessageRetentionPeriod: 604800`,
			instead: `MessageRetentionPeriod: 86400`,
		},
		{
			name: "template: retention of dead letters", file: "template.yaml",
			text:    `MessageRetentionPeriod: 1209600`,
			instead: `MessageRetentionPeriod: 345600`,
		},
		{
			name: "template: messages of an invocation", file: "template.yaml",
			text:    `BatchSize: 10`,
			instead: `BatchSize: 1000`,
		},
		{
			name: "template: long chains", file: "template.yaml",
			text:    "      RecursiveLoop: Allow\n",
			instead: ``,
		},
		{
			name: "template: size of messages", file: "template.yaml",
			text:    `MaximumMessageSize: 1048576 # the maximum`,
			instead: `MaximumMessageSize: 262144 # the maximum`,
		},
		{
			name: "template: size of dead letters", file: "template.yaml",
			text:    `MaximumMessageSize: 1048576 # as UnbindQueue`,
			instead: `MaximumMessageSize: 262144 # as UnbindQueue`,
		},
		{
			name: "template: the queue's address", file: "template.yaml",
			text:    "          UNBIND_QUEUE_URL: !Ref UnbindQueue\n",
			instead: ``,
		},
		{
			name: "template: the dead-letter queue's address", file: "template.yaml",
			text:    "          UNBIND_DEAD_LETTER_QUEUE_URL: !Ref DeadLetterQueue\n",
			instead: ``,
		},
		{
			name: "template: the schedule group", file: "template.yaml",
			text:    "          UNBIND_SCHEDULE_GROUP: !Ref ScheduleGroup\n",
			instead: ``,
		},
		{
			name: "template: the role of the schedules", file: "template.yaml",
			text:    "          UNBIND_SCHEDULE_ROLE_ARN: !GetAtt ScheduleRole.Arn\n",
			instead: ``,
		},
		{
			name: "template: where schedules send to", file: "template.yaml",
			text:    "          UNBIND_QUEUE_ARN: !GetAtt UnbindQueue.Arn\n",
			instead: ``,
		},
		{
			name: "template: what schedules cannot deliver", file: "template.yaml",
			text:    "          UNBIND_DEAD_LETTER_QUEUE_ARN: !GetAtt DeadLetterQueue.Arn\n",
			instead: ``,
		},
		{
			name: "template: the alarm on dead letters", file: "template.yaml",
			text:    "      MetricName: ApproximateNumberOfMessagesVisible\n",
			instead: "      MetricName: NumberOfMessagesSent\n", // what SQS and Scheduler move there is not sent
		},
		{
			name: "template: the alarm on old dead letters", file: "template.yaml",
			text:    "      EvaluationPeriods: 72\n",
			instead: "      EvaluationPeriods: 720\n",
		},
		{
			name: "template: the timeout", file: "template.yaml",
			text:    "      Timeout: 60\n",
			instead: "      Timeout: 20\n",
		},
	}
}
