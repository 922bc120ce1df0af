package later

import (
	"math/rand/v2"
	"time"

	"wedata-unbind/internal/wedata"
)

// A received message can be hidden for 12 h counted from its receipt (Amazon SQS Developer Guide, visibility timeout). The
// ten minutes below that are for the time that has passed since.
const maxWait = 11*time.Hour + 50*time.Minute

// MaxReceives is how often a message is received before it is given up: maxReceiveCount in the template.
const MaxReceives = 12

// Wait tells how long to leave a departure before it is tried again: what the class of WeChat's last error asks for, else
// 1, 2, 4 … 60 minutes by how often the message was received. A jitter of up to a quarter of that and of an hour is added, so
// that what failed together does not come back together.
func Wait(class wedata.Class, receiveCount int, now time.Time) time.Duration {
	const longest = time.Hour
	wait := longest
	if receiveCount < 7 {
		wait = min(longest, time.Minute<<(max(receiveCount, 1)-1))
	}
	if class == wedata.DailyQuota {
		wait = max(wait, untilQuotaResets(now))
	}
	// Over 60 s even without jitter: the window of 45011 is a minute, and waits are cut to whole seconds.
	return min(wait+time.Second+rand.N(min(wait, longest)/4), maxWait)
}

// Delay tells how long to keep a departure that goes to the queue out of sight: not at all, so that a hiccup costs no time,
// unless WeChat has said that it is too early.
func Delay(class wedata.Class, now time.Time) time.Duration {
	if class == wedata.MinuteRate || class == wedata.DailyQuota {
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
