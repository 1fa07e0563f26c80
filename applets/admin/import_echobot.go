package admin

import "chatmaild/applets/admin/takeover"

// takeEchobot takes the old bot's identity over, if it still has one.
func (im *importer) takeEchobot() error { return nil }

func (im *importer) noteEchobot() {
	if there, err := im.source.Exists(takeover.EchobotState); err == nil && there {
		im.note("echo bot", "its identity stays in %s", takeover.EchobotState)
	}
}
