package status

import "chatmaild/applets/metadata/appversions"

// appVersions says which versions clients are informed of. A broken file is wrong although they
// still get the last good one.
func appVersions(e *examiner) {
	if e.conf.AppVersionsFile == "" {
		return
	}
	index, err := appversions.Check(e.machine.Root, e.conf.AppVersionsFile)
	if err != nil {
		e.say("app versions", trouble, "fix the file; it is reread automatically", "%v", err)
		return
	}
	e.say("app versions", fine, "", "announced: %s", index)
}
