#!/bin/sh
# Queues the reference's experiments, each of its models on each of its data sets; `dvc exp run --run-all` works them off.
# MODELS and DATASETS choose others, and options are handed on: MODELS=gan,pca sh benchmarks/experiments.sh -S seed=2
exec dvc exp run --queue "$@" \
    -S "train.model=${MODELS:-lstm,transformer,gan,vae,tranad}" \
    -S "prepare.dataset=${DATASETS:-KDD-TSAD,NASA-MSL,NASA-SMAP,SMD,SWaT,WADI}"
