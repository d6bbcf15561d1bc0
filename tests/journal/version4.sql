-- A history that the last service wrote whose files were of version 4, until it was killed. In it are names that are none any more: a
-- room "what?", people "007", "ana!" and "gone?", and "ЬоЬ", which looks like "bob".
PRAGMA application_id = 1128808788;
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    room TEXT NOT NULL,
    kind TEXT NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    origin INTEGER NOT NULL,
    seq INTEGER NOT NULL
);
INSERT INTO "events" VALUES(1,1795930029351,'operators','joined','eve','',6221723214555730639,-1);
INSERT INTO "events" VALUES(2,1795930029351,'lobby','joined','eve','',6221723214555730639,-2);
INSERT INTO "events" VALUES(3,1795930029405,'lobby','joined','ЬоЬ','',6221723214555730639,-3);
INSERT INTO "events" VALUES(4,1795930029407,'lobby','said','ЬоЬ','I am bob',6357624266372018657,1);
INSERT INTO "events" VALUES(5,1795930029459,'lobby','joined','007','',6221723214555730639,-4);
INSERT INTO "events" VALUES(6,1795930029459,'what?','joined','007','',6221723214555730639,-5);
INSERT INTO "events" VALUES(7,1795930029512,'lobby','joined','bob','',6221723214555730639,-6);
INSERT INTO "events" VALUES(8,1795930029512,'what?','joined','bob','',6221723214555730639,-7);
INSERT INTO "events" VALUES(9,1795930029513,'lobby','said','bob','hello',8202990533174739645,1);
INSERT INTO "events" VALUES(10,1795930029514,'what?','topic','007','questions',8846200140105674610,1);
INSERT INTO "events" VALUES(11,1795930029514,'what?','said','007','who?',8846200140105674610,2);
INSERT INTO "events" VALUES(12,1795930029566,'lobby','joined','ana!','',6221723214555730639,-8);
INSERT INTO "events" VALUES(13,1795930029618,'lobby','joined','gone?','',6221723214555730639,-9);
INSERT INTO "events" VALUES(14,1795930029618,'what?','joined','gone?','',6221723214555730639,-10);
INSERT INTO "events" VALUES(15,1795930029619,'what?','said','gone?','bye',7739003413348579473,1);
INSERT INTO "events" VALUES(16,1795930029620,'lobby','left','gone?','',6221723214555730639,-11);
INSERT INTO "events" VALUES(17,1795930029620,'what?','left','gone?','',6221723214555730639,-12);
INSERT INTO "events" VALUES(18,1795930029921,'@71d6e06db9c5c2bd','private','007','psst',8846200140105674610,3);
INSERT INTO "events" VALUES(19,1795930029973,'operators','acted','eve','muted ana!: too loud',6567084579847146851,-1);
INSERT INTO "events" VALUES(20,1795930030024,'operators','acted','eve','locked #what?',6567084579847146851,-2);
CREATE TABLE facts (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
INSERT INTO "facts" VALUES('lock','what?','locked');
INSERT INTO "facts" VALUES('mute','ana!','["ana!", 0, "too loud"]');
INSERT INTO "facts" VALUES('session','15cb981ebd532b39625bc5073f0cff9ec4df2becbcbb3dcff3e9b799535d9847','{"origin":8846200140105674610,"name":"007","rooms":{"lobby":5,"what?":6},"periods":[],"forgotten":0,"seq":0,"seen":1795930029459,"here":true,"heard":true}');
INSERT INTO "facts" VALUES('session','51280856821f6059e6053baf951675d0d8afd5ef813bac06e7f943a54877ae18','{"origin":7739003413348579473,"name":"gone?","rooms":{"lobby":13,"what?":14},"periods":[],"forgotten":0,"seq":1,"seen":1795930029620,"here":false,"heard":true}');
INSERT INTO "facts" VALUES('session','6f55eaaf209086a28e5a0569526915c621d18d0d093398fe8f2af01b2048ae54','{"origin":8202990533174739645,"name":"bob","rooms":{"lobby":7,"what?":8},"periods":[],"forgotten":0,"seq":0,"seen":1795930029511,"here":true,"heard":true}');
INSERT INTO "facts" VALUES('session','b567dc221e1a7b9d6e047cf6580db242dd299fe5b7b4af645dfbffd779871fac','{"origin":6357624266372018657,"name":"ЬоЬ","rooms":{"lobby":3},"periods":[],"forgotten":0,"seq":0,"seen":1795930029405,"here":true,"heard":true}');
INSERT INTO "facts" VALUES('session','fca9d9f1b8e555451d665e618660b5b87c14b4e14d5b5f86fdcba97b755d5a17','{"origin":1626718278925644643,"name":"ana!","rooms":{"lobby":12},"periods":[],"forgotten":0,"seq":0,"seen":1795930029565,"here":true,"heard":true}');
INSERT INTO "facts" VALUES('topic','what?','questions');
CREATE TABLE journal (identity TEXT NOT NULL, checkpoints INTEGER NOT NULL);
INSERT INTO "journal" VALUES('9392d8d4978d4c07834b264ff977dc17',1);
CREATE INDEX talk ON events (room, id) WHERE (kind = 'said' OR kind = 'did' OR kind = 'acted');
CREATE INDEX numbered ON events (origin, seq) WHERE seq > 0;
COMMIT;
