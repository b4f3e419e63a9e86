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
	config TEXT NOT NULL, 
	space TEXT NOT NULL, 
	checksum BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "experiments" VALUES('4ak4xgah','Linear','running','[["default","maximize"]]','11','RegularizedEvolution(optimize_mode=None, population_size=8, sample_size=3, cycles=32, mutation_prob=None, on_failure=''ignore'', model_filter=None, crossover=False, dedup=False)',1.79608474966030335425e+09,1.7960847496712055207e+09,10096,'host','0.1.0','',0,'{"settings":{"execution_engine":"py","experiment_name":null,"trial_concurrency":1,"max_trial_number":32,"max_experiment_duration":null,"max_trial_duration":null,"trial_memory_limit":null,"trial_gpu_number":null,"max_failures":20,"keep_checkpoints":1,"checkpoint_limit":"10GB","optimize_mode":null,"objectives":null,"constraints":[],"seed":11,"storage":"/tmp/tmpa9k4doqp/died.db","executor":null,"progress":false,"dummy_input":null,"training_service":{"platform":"in_process","use_active_gpu":null,"max_trial_number_per_gpu":1,"gpu_indices":null},"log_level":"info","debug":false,"trial_code_directory":".","experiment_working_directory":null,"nni_manager_ip":null},"evaluator_labels":[],"spent_s":0.0}','{"choices":[{"kind":"categorical","label":"rows","declared_at":"Linear.in_features","values":[1,2,3,4,5,6,7,8]},{"kind":"categorical","label":"columns","declared_at":"Linear.out_features","values":[1,2,3,4,5,6,7,8]}]}',1272350149);
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
INSERT INTO "schema_version" VALUES(3,1.79608474944544625282e+09);
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
INSERT INTO "trials" VALUES('4ak4xgah',0,'completed',-4.0,0,0,1.79608474967136335373e+09,1.79608474968490672112e+09,'cpu',NULL,NULL,0.0,'e3069db816c3a9b56827c96590c15e14',2763154702,'{"columns":3,"rows":7}','{"default":-4.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',1,'completed',-16.0,1,1,1.79608474968547582621e+09,1.79608474968602228167e+09,'cpu',NULL,NULL,0.0,'16f06b6dd9f048e3878f0ff764048e42',2970881508,'{"columns":7,"rows":5}','{"default":-16.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',2,'completed',-4.0,2,2,1.79608474968641424179e+09,1.7960847496868267059e+09,'cpu',NULL,NULL,0.0,'d247ba48c002e0256cd53c07aaa1a6ed',1525000006,'{"columns":1,"rows":5}','{"default":-4.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',3,'completed',-25.0,3,3,1.79608474968706512443e+09,1.7960847496874530315e+09,'cpu',NULL,NULL,0.0,'004a5ed136c03c2b0746ae57b5a72514',2379918146,'{"columns":8,"rows":5}','{"default":-25.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',4,'completed',-5.0,4,4,1.79608474968775582315e+09,1.79608474968817114826e+09,'cpu',NULL,NULL,0.0,'807f9039118e44cac6802122723c6d24',2960941790,'{"columns":4,"rows":3}','{"default":-5.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',5,'completed',-17.0,5,5,1.79608474968842530246e+09,1.79608474968885207176e+09,'cpu',NULL,NULL,0.0,'d1929aa47c6b4eaa755a76358f543ca8',3877082626,'{"columns":7,"rows":4}','{"default":-17.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',6,'completed',-18.0,6,6,1.79608474968911528582e+09,1.79608474968954658513e+09,'cpu',NULL,NULL,0.0,'ebe28499aef2674024039653807ebeaa',2064529041,'{"columns":6,"rows":8}','{"default":-18.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',7,'completed',-10.0,7,7,1.79608474968987035748e+09,1.79608474969053387645e+09,'cpu',NULL,NULL,0.0,'9037ebb6dcd4a98138fda2f19611d823',1660552212,'{"columns":2,"rows":8}','{"default":-10.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',8,'completed',-29.0,8,8,1.79608474969081830983e+09,1.79608474969131207471e+09,'cpu',NULL,NULL,0.0,'24e90105c51f27ca2b237aab18023550',3129335885,'{"columns":8,"rows":7}','{"default":-29.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',9,'completed',-4.0,9,9,1.7960847496915411949e+09,1.79608474969189310069e+09,'cpu',NULL,NULL,0.0,'fce460dc85f8b8d91315928082b4bd6c',3313969109,'{"columns":5,"rows":5}','{"default":-4.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',10,'completed',-1.0,10,10,1.79608474969212126735e+09,1.79608474969241976738e+09,'cpu',NULL,NULL,0.0,'6f0777b5efb9e85345da9eb6726d9371',1243352310,'{"columns":4,"rows":5}','{"default":-1.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',11,'completed',-5.0,11,11,1.79608474969264507296e+09,1.7960847496929497718e+09,'cpu',NULL,NULL,0.0,'9cf1fa9db8def9be9681d952b6bc7e4f',3395737629,'{"columns":5,"rows":4}','{"default":-5.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',12,'completed',-8.0,12,12,1.79608474969316220283e+09,1.79608474969345736503e+09,'cpu',NULL,NULL,0.0,'19879b3031e9a4b7b10ed8a58fc460c2',1603546588,'{"columns":5,"rows":3}','{"default":-8.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',13,'completed',-13.0,13,13,1.79608474969367098812e+09,1.79608474969396924971e+09,'cpu',NULL,NULL,0.0,'5be710c8510c87fd1c4a86db0e21bacf',26873259,'{"columns":5,"rows":2}','{"default":-13.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',14,'completed',-5.0,14,14,1.79608474969424796105e+09,1.79608474969455122948e+09,'cpu',NULL,NULL,0.0,'aed01fa06c2fad5158bfc813b1ebe4b6',3046328199,'{"columns":2,"rows":7}','{"default":-5.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',15,'completed',-20.0,15,15,1.79608474969481396671e+09,1.79608474969519829752e+09,'cpu',NULL,NULL,0.0,'a97a19dee0e4e28312c66798dbe6e8b1',1183184620,'{"columns":5,"rows":1}','{"default":-20.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',16,'completed',-25.0,16,16,1.79608474969542479516e+09,1.79608474969575142863e+09,'cpu',NULL,NULL,0.0,'004a5ed136c03c2b0746ae57b5a72514',2562811005,'{"columns":8,"rows":5}','{"default":-25.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',17,'completed',-4.0,17,17,1796084749.69597,1.79608474969624900812e+09,'cpu',NULL,NULL,0.0,'d247ba48c002e0256cd53c07aaa1a6ed',1535005508,'{"columns":1,"rows":5}','{"default":-4.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',18,'completed',-13.0,18,18,1.79608474969646573059e+09,1.796084749696862936e+09,'cpu',NULL,NULL,0.0,'bed0946bf76a5f6a66f26129679b9560',2279735425,'{"columns":5,"rows":8}','{"default":-13.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',19,'completed',-8.0,19,19,1.79608474969707465175e+09,1.79608474969736909869e+09,'cpu',NULL,NULL,0.0,'e5994472e2daee51038f1124e7e0b7d5',868837605,'{"columns":5,"rows":7}','{"default":-8.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',20,'completed',-5.0,20,20,1.79608474969757652287e+09,1.79608474969791531566e+09,'cpu',NULL,NULL,0.0,'4a73688c5343cb1ccfa6d0cf65601398',1329501055,'{"columns":4,"rows":7}','{"default":-5.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',21,'completed',-4.0,21,21,1.7960847496981739998e+09,1.79608474969844102856e+09,'cpu',NULL,NULL,0.0,'fce460dc85f8b8d91315928082b4bd6c',4157924001,'{"columns":5,"rows":5}','{"default":-4.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',22,'completed',-13.0,22,22,1.79608474969864606854e+09,1.79608474969893217084e+09,'cpu',NULL,NULL,0.0,'0848adcf95f2a3fb401ddc6f8e0a30fb',4221149458,'{"columns":1,"rows":8}','{"default":-13.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',23,'completed',-5.0,23,23,1.7960847496991436482e+09,1.79608474969939565656e+09,'cpu',NULL,NULL,0.0,'9cf1fa9db8def9be9681d952b6bc7e4f',1325903261,'{"columns":5,"rows":4}','{"default":-5.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',24,'completed',-1.0,24,24,1.79608474969961524015e+09,1.79608474969990134246e+09,'cpu',NULL,NULL,0.0,'6f0777b5efb9e85345da9eb6726d9371',2100546590,'{"columns":4,"rows":5}','{"default":-1.0}',NULL,NULL,NULL,NULL,'',NULL);
INSERT INTO "trials" VALUES('4ak4xgah',25,'running',NULL,25,NULL,1.7960847496999518871e+09,NULL,NULL,NULL,NULL,0.0,'004a5ed136c03c2b0746ae57b5a72514',2689437768,'{"columns":8,"rows":5}',NULL,NULL,NULL,NULL,NULL,'',NULL);
CREATE INDEX trials_by_state ON trials (experiment_id, state, violation, metric);
COMMIT;
