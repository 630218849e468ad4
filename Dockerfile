# Nothing is compiled here: the build context is a folder with static binaries, which hack/images makes.
# Both images are empty but for one program: no shell, no package, nothing to patch.

FROM scratch AS workload
COPY ecs-operator-workload /ecs-operator-workload
EXPOSE 8080
ENTRYPOINT ["/ecs-operator-workload"]

FROM scratch AS operator
COPY ecs-operator /ecs-operator
ENTRYPOINT ["/ecs-operator"]
