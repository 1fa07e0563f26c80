package status

import (
	"context"

	"chatmaild/applets/admin/cluster"
	"chatmaild/applets/config"
)

// machines looks at the others, where the relay is several.
func machines(ctx context.Context, e *examiner) {
	if !config.Clustered(e.conf) {
		return
	}
	const part = "machines"
	line, creates, advice := cluster.Survey(ctx, e.conf, e.machine)
	worth, hint := fine, ""
	if !creates {
		worth, hint = trouble, "chatmaild cluster status"
	}
	e.say(part, worth, hint, "%s", line)
	for _, sentence := range advice {
		e.say(part, notice, "chatmaild cluster status", "%s", sentence)
	}
}
