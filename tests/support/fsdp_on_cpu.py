"""`support.training_runs` under FSDP2 on CPU processes.

accelerate offers FSDP for accelerators alone; the sharding itself (torch) runs over gloo as well.
Telling accelerate so is all that happens here; which plugin it takes, the environment says.
"""

import accelerate.state
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from support.training_runs import main


class ShardedState(accelerate.state.AcceleratorState):
    """Takes several CPU processes for FSDP."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.FSDP
            self.fsdp_plugin = options.get("fsdp_plugin") or FullyShardedDataParallelPlugin()


accelerate.accelerator.AcceleratorState = ShardedState

if __name__ == "__main__":
    main()
