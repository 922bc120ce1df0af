package queue

import (
	"math/rand/v2"
	"time"

	"wedata-unbind/internal/wedata"
)

// maxWait is how long a received message can be hidden: 12 h from its receipt (Amazon SQS Developer Guide, visibility
// timeout), less ten minutes for the time since its receipt.
const maxWait = 11*time.Hour + 50*time.Minute

// MaxReceives is how often a message is received before it goes to the dead-letter queue: maxReceiveCount in the
// template.
const MaxReceives = 12

// Wait returns how long to wait before a departure is tried again: 1, 2, 4 … 60 minutes, by how often the message was
// received. Where WeChat's daily quota is used up, it is at least the time until the quota is reset. Wait adds a
// random time of up to a quarter, 15 minutes at most, so that messages which failed together are not received
// together.
func Wait(class string, receiveCount int, now time.Time) time.Duration {
	const longest = time.Hour
	wait := longest
	if receiveCount < 7 {
		wait = min(longest, time.Minute<<(max(receiveCount, 1)-1))
	}
	if class == string(wedata.DailyQuota) {
		wait = max(wait, untilQuotaResets(now))
	}
	// The wait is always over 60 s: errcode 45011 counts calls within a minute, and waits are cut to whole seconds.
	return min(wait+time.Second+rand.N(min(wait, longest)/4), maxWait)
}

// Delay returns how long a new message stays hidden: as [Wait] where WeChat's quota or rate is used up, otherwise 0,
// since many faults pass within moments.
func Delay(class string, now time.Time) time.Duration {
	if class == string(wedata.MinuteRate) || class == string(wedata.DailyQuota) {
		return Wait(class, 1, now)
	}
	return 0
}

// untilQuotaResets returns the time until midnight in Beijing, when WeChat resets the daily quotas (errcode 45009).
func untilQuotaResets(now time.Time) time.Duration {
	beijing := now.In(time.FixedZone("UTC+8", 8*60*60))
	midnight := time.Date(beijing.Year(), beijing.Month(), beijing.Day()+1, 0, 0, 0, 0, beijing.Location())
	return midnight.Sub(now)
}
