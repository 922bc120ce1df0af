package queue

import (
	"math/rand/v2"
	"time"

	"wedata-unbind/internal/wedata"
)

// maxWait is how long a received message can be hidden: 12 h from its receipt (Amazon SQS Developer Guide, visibility
// timeout), less ten minutes for the time that has passed since.
const maxWait = 11*time.Hour + 50*time.Minute

// MaxReceives is how often a message is received before it goes to the dead-letter queue: maxReceiveCount in the
// template.
const MaxReceives = 12

// Wait returns how long to wait before a departure is tried again: as long as the class of the last fault asks for,
// else 1, 2, 4 … 60 minutes by how often the message was received. A random part of up to a quarter is added, an
// hour's quarter at most, so that messages which failed together do not come back together.
func Wait(class string, receiveCount int, now time.Time) time.Duration {
	const longest = time.Hour
	wait := longest
	if receiveCount < 7 {
		wait = min(longest, time.Minute<<(max(receiveCount, 1)-1))
	}
	if class == string(wedata.DailyQuota) {
		wait = max(wait, untilQuotaResets(now))
	}
	// Over 60 s in any case: 45011 counts calls within a minute, and waits are cut to whole seconds.
	return min(wait+time.Second+rand.N(min(wait, longest)/4), maxWait)
}

// Delay returns how long a new message stays hidden. It is 0, since many faults pass at once, unless WeChat's quota or
// rate is used up.
func Delay(class string, now time.Time) time.Duration {
	if class == string(wedata.MinuteRate) || class == string(wedata.DailyQuota) {
		return Wait(class, 1, now)
	}
	return 0
}

// untilQuotaResets is the time until midnight in Beijing, when WeChat's daily quotas start anew (error 45009).
func untilQuotaResets(now time.Time) time.Duration {
	beijing := now.In(time.FixedZone("UTC+8", 8*60*60))
	midnight := time.Date(beijing.Year(), beijing.Month(), beijing.Day()+1, 0, 0, 0, 0, beijing.Location())
	return midnight.Sub(now)
}
