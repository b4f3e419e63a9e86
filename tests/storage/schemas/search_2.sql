BEGIN TRANSACTION;
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
CREATE TABLE experiments (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	state TEXT NOT NULL, 
	direction TEXT NOT NULL, 
	seed TEXT NOT NULL, 
	strategy TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	updated DOUBLE NOT NULL, 
	pid BIGINT, 
	host TEXT, 
	version TEXT NOT NULL, 
	message TEXT NOT NULL, 
	stop_requested BOOLEAN NOT NULL, 
	config TEXT NOT NULL, 
	space TEXT NOT NULL, 
	checksum BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "experiments" VALUES('458ygrzv','Linear','running','maximize','11','RegularizedEvolution(optimize_mode=None, population_size=8, sample_size=3, cycles=32, mutation_prob=None, on_failure=''ignore'', model_filter=None, crossover=False, dedup=False)',1.79603777301044225693e+09,1.79603777304722237589e+09,22075,'host','0.1.0','',0,'{"settings":{"execution_engine":"py","experiment_name":null,"trial_concurrency":1,"max_trial_number":32,"max_experiment_duration":null,"max_trial_duration":null,"trial_memory_limit":null,"trial_gpu_number":null,"max_failures":20,"keep_checkpoints":1,"optimize_mode":null,"seed":11,"storage":"/tmp/tmpfhufsya3/died.db","progress":false,"dummy_input":null,"training_service":{"platform":"in_process","use_active_gpu":null,"max_trial_number_per_gpu":1,"gpu_indices":null},"log_level":"info","debug":false,"trial_code_directory":".","experiment_working_directory":null,"nni_manager_ip":null},"evaluator_labels":[],"spent_s":0.0}','{"choices":[{"kind":"categorical","label":"rows","declared_at":"Linear.in_features","values":[1,2,3,4,5,6,7,8]},{"kind":"categorical","label":"columns","declared_at":"Linear.out_features","values":[1,2,3,4,5,6,7,8]}]}',1105983697);
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
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(2,1.7960377729646639824e+09);
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
	"key" TEXT NOT NULL, 
	checksum BIGINT, 
	architecture TEXT NOT NULL, 
	metrics TEXT, 
	failure_kind TEXT, 
	failure_message TEXT, 
	traceback TEXT, 
	output TEXT NOT NULL, 
	texts_checksum BIGINT, 
	PRIMARY KEY (experiment_id, number), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "trials" VALUES('458ygrzv',0,'completed',-4.0,0,0,1.79603777304742598538e+09,1.79603777307129311565e+09,'cpu','e3069db816c3a9b56827c96590c15e14',576773588,'{"columns":3,"rows":7}','{"default":-4.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',1,'completed',-16.0,1,1,1.79603777307173800466e+09,1.79603777307214665416e+09,'cpu','16f06b6dd9f048e3878f0ff764048e42',846577336,'{"columns":7,"rows":5}','{"default":-16.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',2,'completed',-4.0,2,2,1.7960377730724318028e+09,1.79603777307277560231e+09,'cpu','d247ba48c002e0256cd53c07aaa1a6ed',3112010339,'{"columns":1,"rows":5}','{"default":-4.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',3,'completed',-25.0,3,3,1.7960377730729982853e+09,1.7960377730733547211e+09,'cpu','004a5ed136c03c2b0746ae57b5a72514',2946733171,'{"columns":8,"rows":5}','{"default":-25.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',4,'completed',-5.0,4,4,1.79603777307357501983e+09,1.79603777307399559018e+09,'cpu','807f9039118e44cac6802122723c6d24',1079053775,'{"columns":4,"rows":3}','{"default":-5.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',5,'completed',-17.0,5,5,1.79603777308240795135e+09,1.79603777308289217946e+09,'cpu','d1929aa47c6b4eaa755a76358f543ca8',3317144764,'{"columns":7,"rows":4}','{"default":-17.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',6,'completed',-18.0,6,6,1.79603777308312463761e+09,1.7960377730834498405e+09,'cpu','ebe28499aef2674024039653807ebeaa',3147876941,'{"columns":6,"rows":8}','{"default":-18.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',7,'completed',-10.0,7,7,1.79603777308368539808e+09,1.79603777308404350277e+09,'cpu','9037ebb6dcd4a98138fda2f19611d823',618380160,'{"columns":2,"rows":8}','{"default":-10.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',8,'completed',-29.0,8,8,1.79603777308430171007e+09,1.79603777308461475372e+09,'cpu','24e90105c51f27ca2b237aab18023550',173704450,'{"columns":8,"rows":7}','{"default":-29.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',9,'completed',-4.0,9,9,1.79603777308483529093e+09,1.79603777308513069149e+09,'cpu','fce460dc85f8b8d91315928082b4bd6c',549418655,'{"columns":5,"rows":5}','{"default":-4.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',10,'completed',-1.0,10,10,1.79603777308533310887e+09,1.79603777308562326427e+09,'cpu','6f0777b5efb9e85345da9eb6726d9371',1632010262,'{"columns":4,"rows":5}','{"default":-1.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',11,'completed',-5.0,11,11,1.79603777308583021166e+09,1.79603777309423637397e+09,'cpu','9cf1fa9db8def9be9681d952b6bc7e4f',3312721742,'{"columns":5,"rows":4}','{"default":-5.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',12,'completed',-8.0,12,12,1.79603777309454536439e+09,1.79603777309492897984e+09,'cpu','19879b3031e9a4b7b10ed8a58fc460c2',3710542645,'{"columns":5,"rows":3}','{"default":-8.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',13,'completed',-13.0,13,13,1.79603777309516286853e+09,1.79603777309546136856e+09,'cpu','5be710c8510c87fd1c4a86db0e21bacf',703594244,'{"columns":5,"rows":2}','{"default":-13.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',14,'completed',-5.0,14,14,1.7960377730956685543e+09,1.79603777309594106678e+09,'cpu','aed01fa06c2fad5158bfc813b1ebe4b6',342341961,'{"columns":2,"rows":7}','{"default":-5.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',15,'completed',-20.0,15,15,1.79603777309616136547e+09,1.79603777309644818301e+09,'cpu','a97a19dee0e4e28312c66798dbe6e8b1',2622059181,'{"columns":5,"rows":1}','{"default":-20.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',16,'completed',-25.0,16,16,1.79603777309666514392e+09,1.79603777309695601463e+09,'cpu','004a5ed136c03c2b0746ae57b5a72514',2574499158,'{"columns":8,"rows":5}','{"default":-25.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',17,'completed',-4.0,17,17,1.79603777309715914728e+09,1.79603777309744215007e+09,'cpu','d247ba48c002e0256cd53c07aaa1a6ed',4130853567,'{"columns":1,"rows":5}','{"default":-4.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',18,'completed',-13.0,18,18,1.79603777309764981264e+09,1.79603777309793543812e+09,'cpu','bed0946bf76a5f6a66f26129679b9560',2282160064,'{"columns":5,"rows":8}','{"default":-13.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',19,'completed',-8.0,19,19,1.79603777310635352127e+09,1.79603777310700297355e+09,'cpu','e5994472e2daee51038f1124e7e0b7d5',3386162548,'{"columns":5,"rows":7}','{"default":-8.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',20,'completed',-5.0,20,20,1.79603777310726714141e+09,1.79603777310756182669e+09,'cpu','4a73688c5343cb1ccfa6d0cf65601398',2780942527,'{"columns":4,"rows":7}','{"default":-5.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',21,'completed',-4.0,21,21,1.79603777310776376724e+09,1.79603777310803151131e+09,'cpu','fce460dc85f8b8d91315928082b4bd6c',2657107961,'{"columns":5,"rows":5}','{"default":-4.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',22,'completed',-13.0,22,22,1.79603777310823059087e+09,1.79603777311871433256e+09,'cpu','0848adcf95f2a3fb401ddc6f8e0a30fb',1269570065,'{"columns":1,"rows":8}','{"default":-13.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',23,'completed',-5.0,23,23,1.79603777311907720571e+09,1.79603777311941647533e+09,'cpu','9cf1fa9db8def9be9681d952b6bc7e4f',4202680359,'{"columns":5,"rows":4}','{"default":-5.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',24,'completed',-1.0,24,24,1.7960377731196768284e+09,1.79603777311997556687e+09,'cpu','6f0777b5efb9e85345da9eb6726d9371',1947836227,'{"columns":4,"rows":5}','{"default":-1.0}',NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('458ygrzv',25,'running',NULL,25,NULL,1.79603777312002515793e+09,NULL,NULL,'004a5ed136c03c2b0746ae57b5a72514',2361133751,'{"columns":8,"rows":5}',NULL,NULL,NULL,NULL,'',NULL);
CREATE INDEX trials_by_state ON trials (experiment_id, state, metric);
COMMIT;
