BEGIN TRANSACTION;
CREATE TABLE drawings (
	experiment_id TEXT NOT NULL, 
	drawing TEXT NOT NULL, 
	checksum BIGINT, 
	PRIMARY KEY (experiment_id), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "drawings" VALUES('e-1.2_3','{"nodes":[{"label":"op \u2713","x":0.5}],"width":1e+300}',2783525700);
CREATE TABLE epochs (
	experiment_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	time DOUBLE NOT NULL, 
	metrics TEXT NOT NULL, 
	record TEXT NOT NULL, 
	checksum BIGINT, 
	PRIMARY KEY (experiment_id, number), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "epochs" VALUES('e-1.2_3',3,1700000002.5,'{"default":0.5,"loss":1e-300}','{"probabilities":{"op":{"\"conv\"":0.25,"\"skip \u00fc\"":0.75}}}',1413626147);
CREATE TABLE experiments (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	state TEXT NOT NULL, 
	objectives TEXT NOT NULL, 
	seed TEXT NOT NULL, 
	strategy TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	updated DOUBLE NOT NULL, 
	pid BIGINT, 
	host TEXT, 
	version TEXT NOT NULL, 
	message TEXT NOT NULL, 
	stop_requested BOOLEAN NOT NULL, 
	tags TEXT NOT NULL, 
	config TEXT NOT NULL, 
	space TEXT NOT NULL, 
	checksum BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "experiments" VALUES('e-1.2_3','Größe 🌍','stopped','[["default","minimize"],["flops","minimize"]]','18446744073709551615','RegularizedEvolution(population_size=100)',1700000000.25,1.79608489990953707699e+09,4194304,'host','0.0.1','stopped by Ctrl-C',1,'["baseline","gr\u00f6\u00dfer \u2713"]','{"trial_concurrency":2,"budget":{"z":[1,2.5,null,true],"a":"\u00fc"}}','{"choices":[{"label":"op","values":["a","b"]}]}',1815849821);
CREATE TABLE intermediates (
	experiment_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	time DOUBLE NOT NULL, 
	metrics TEXT NOT NULL, 
	checksum BIGINT, 
	PRIMARY KEY (experiment_id, number, step), 
	FOREIGN KEY(experiment_id, number) REFERENCES trials (experiment_id, number) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "intermediates" VALUES('e-1.2_3',1,0,1700000001.5,'{"default":1e-300}',3962877152);
INSERT INTO "intermediates" VALUES('e-1.2_3',1,1,1700000002.5,'{"default":0.25,"loss":-0.0}',3752005734);
INSERT INTO "intermediates" VALUES('e-1.2_3',5,0,1700000001.5,'{"default":0.5}',865123271);
INSERT INTO "intermediates" VALUES('e-1.2_3',5,1,1700000002.5,'{"default":"-Infinity"}',1087956170);
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(4,1.79608489990021514895e+09);
CREATE TABLE trials (
	experiment_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	metric DOUBLE, 
	told_before INTEGER NOT NULL, 
	finish_order INTEGER, 
	started DOUBLE, 
	ended DOUBLE, 
	device TEXT, 
	fidelity TEXT, 
	parent INTEGER, 
	violation DOUBLE NOT NULL, 
	"key" TEXT NOT NULL, 
	checksum BIGINT, 
	architecture TEXT NOT NULL, 
	metrics TEXT, 
	failure_kind TEXT, 
	failure_message TEXT, 
	reason TEXT, 
	traceback TEXT, 
	output TEXT NOT NULL, 
	texts_checksum BIGINT, 
	PRIMARY KEY (experiment_id, number), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "trials" VALUES('e-1.2_3',0,'running',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,'2afb9b83f9314e5d029766197f539792',550820477,'{}',NULL,NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('e-1.2_3',1,'completed',3.00000000000000044408e-01,7,3,1.70000000012345600132e+09,1.70000000165432095522e+09,'cuda:1',NULL,NULL,0.0,'70c8b4ddc1eaa8076e8d0c4464986a97',2485052102,'{"a":null,"b":true,"c":3,"d":0.1,"e":"\u00fc\u0000","f":[1,["x",2.5]],"g":[]}','{"default":0.30000000000000004,"flops":1e+300}',NULL,NULL,NULL,NULL,'epoch 1
epoch 2 ✓
',611114092);
INSERT INTO "trials" VALUES('e-1.2_3',2,'failed',NULL,0,2,2.0,NULL,'cpu',NULL,NULL,0.0,'c191be23b58c0af1dc0be115f3efa694',226507190,'{"op":"conv","width":2}',NULL,'raised','ValueError: größer',NULL,'Traceback ...
ValueError: größer','last words',1489613101);
INSERT INTO "trials" VALUES('e-1.2_3',3,'failed',NULL,0,3,3.0,NULL,'cpu',NULL,NULL,0.0,'6f9ff0db381b262e05e247ddb4ffb744',3467045968,'{"op":"conv","width":3}',NULL,'vanished','killed by SIGKILL',NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('e-1.2_3',4,'pruned',NULL,0,1,NULL,NULL,NULL,NULL,NULL,0.0,'5a0aeb51ee03b5d6e1aee5f2423ff2a8',2006849832,'{"op":"pruned"}',NULL,NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('e-1.2_3',5,'pruned',NULL,0,4,NULL,NULL,NULL,'{"epochs":27,"gr\u00f6\u00dfe":0.1}',1,9e999,'a57937395850741ecb1e57e9c2720aaf',429786028,'{"op":"promoted"}','{"default":"-Infinity"}',NULL,NULL,'größer than the median
',NULL,'',NULL);
INSERT INTO "trials" VALUES('e-1.2_3',6,'completed',0.5,0,6,6.0,7.0,'cpu','{"epochs":1.0}',NULL,3.00000000000000044408e-01,'901a3217f8a95c4b62c825c5b85347fb',2485711985,'{"op":"conv","width":6}','{"default":0.5}',NULL,NULL,NULL,NULL,'',NULL);
CREATE INDEX trials_by_end ON trials (experiment_id, finish_order);
CREATE INDEX trials_by_state ON trials (experiment_id, state, violation, metric);
COMMIT;
