// Package simulation is a relay of a hundred machines and twenty million people in one test:
// a month passes in it, in which people sign up, log in and write, and machines are added,
// drained, cut off, crash, are lost for good, and some of those come back with their old
// disks; others are given up that were only cut off. (With the race detector it is a smaller world
// and a few days.) The machines are invented, and so are their disks, the network and the time;
// placement, balance, moves, who may serve after a start (roll), and what each machine makes of its
// own copy of the directory and of the writer's word are the relay's.
//
// PostgreSQL is modelled with what is inconvenient about it: a copy lags; a commit that
// nobody has confirmed is seen on the writer, and after a crash, too; an answer may be
// lost when the thing was done; a writer that was replaced does not know it.
//
// # Invariants
//
// These hold at each step here, and a violation names the seed that brings it back. The
// scenarios are those of testdata/lab, on real machines.
//
//	1  one home at a time, and only it opens    route; TestClusterMove moves, killedTaker, killedGiver
//	   the mailbox                              maildir TestClosed, member TestSession
//	2  made once: the insertion decides         signIn; directorytest oneCreates; TestClusterFaults
//	                                            partition; TestClusterLost
//	3  an account that was answered is on two   everything, promote; postgres TestServers failures;
//	   machines, and keeps its password         TestCluster promote
//	4  no machine trusts another's proxy for a  TestCluster serve (a wrong password at each machine);
//	   password                                 TestClusterMove lost
//	5  "elsewhere" and "not in my copy" are     route, login; doveauth replicated_test, member TestTables,
//	   temporary; 550 needs the writer's word   TestMailbox; TestCluster withoutWriter; TestClusterLost
//	                                            twoGone
//	6  what was accepted is at the home, or in  deliver, kept, everything; TestClusterMove settles,
//	   a queue, unless the machine was lost     TestCluster killed; porter TestRefused
//	7  without a writer, who has an account is  login; TestCluster withoutWriter
//	   served
//	8  of two writers at most one commits       confirm, promote, TestQuorum; cluster TestPromote, TestCheck,
//	                                            TestSource, TestParted, TestFurthest; TestCluster promote,
//	                                            rejoin; TestClusterLost isBack, areBack
//	9  a machine that was lost, or lost its     route, heed; roll TestAdmission, accounts TestNeed, cluster
//	   mailboxes, serves none under its name    TestHeed, member TestNotAdmitted; TestClusterMove back,
//	                                            TestClusterLost isBack, areBack
//
// And a machine that is dead, drained or lost gets no new account (place).
package simulation
