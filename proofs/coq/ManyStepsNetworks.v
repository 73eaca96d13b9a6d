(* Many mini-batch steps of multilayer perceptrons.

   An activation is C1 if it has a continuous derivative on the whole line, as tanh has.  A multilayer
   perceptron of any depth and any widths with a C1 activation is continuously differentiable in its
   parameters, at every point: by induction on the list of widths, since an affine layer is a sum of products
   of parameters and the outputs of the layer below.  A ReLU perceptron is continuously differentiable at th0
   if no hidden unit stands at its kink there.  So the hypotheses of the many-step theorem hold, and nothing
   about the network is left to assume.  The student imitates the outputs picked by sel (the auxiliary
   outputs); the trait loss LT may look at all of them, and is asked only to be differentiable at th0.  The
   loss is softmax cross-entropy or squared error.

   For transformers no many-step theorem is stated here: Attention shows that they are differentiable, which
   is what the one-step theorem asks for; many steps ask for continuous derivatives, which is not shown. *)
From Coq Require Import Reals Lra Lia Arith List.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep Perceptron Networks.
From Subtheory Require Import StableSteps Curves ManySteps SmoothRules.
Open Scope R_scope.

Definition C1_activation (act : R -> R) : Prop :=
  exists act', (forall c, is_derive act c (act' c)) /\ forall c, continuous act' c.

Lemma tanh_C1 : C1_activation tanh.
Proof.
  assert (D : forall c, is_derive tanh c (1 - tanh c * tanh c)).
  { intros c. pose proof (exp_pos c) as P1. pose proof (exp_pos (- c)) as P2.
    unfold tanh, sinh, cosh. auto_derive; [lra | field; lra]. }
  exists (fun c => 1 - tanh c * tanh c). split; [exact D|].
  intros c. apply (ex_derive_continuous (fun c => 1 - tanh c * tanh c)).
  exists (0 - ((1 - tanh c * tanh c) * tanh c + tanh c * (1 - tanh c * tanh c))).
  apply (is_derive_minus (fun _ => 1) (fun c => tanh c * tanh c) c 0).
  - exact (is_derive_const 1 c).
  - exact (is_derive_mult tanh tanh c _ _ (D c) (D c) Rmult_comm).
Qed.

(* ---------- perceptrons are continuously differentiable ---------- *)

Lemma affine_C1 k din d off (x : vec -> vec) th0 i :
  (forall j, (j < din)%nat -> C1_at k (fun th => x th j) th0) ->
  (i < d)%nat -> (off + (d * din + d) <= k)%nat ->
  C1_at k (fun th => affine din d off th (x th) i) th0.
Proof.
  intros Hx Hi Hk. unfold affine.
  apply (C1_plus k (fun th => rsum din (fun j => th (off + i * din + j)%nat * x th j))
    (fun th => th (off + d * din + i)%nat)); [|apply C1_coord; lia].
  apply (C1_sum k din (fun j th => th (off + i * din + j)%nat * x th j)). intros j Hj.
  apply (C1_mult k (fun th => th (off + i * din + j)%nat) (fun th => x th j)); [|exact (Hx j Hj)].
  apply C1_coord. assert (S i * din <= d * din)%nat by (apply Nat.mul_le_mono_r; lia).
  cbn [Nat.mul] in *. lia.
Qed.

(* act' is the derivative of act near z, and continuous at z *)
Definition C1_near (act act' : R -> R) (z : R) : Prop :=
  locally z (fun c => is_derive act c (act' c)) /\ continuous act' z.

(* the inputs may depend on the parameters as well: this is what the induction needs *)
Lemma mlp_C1_at act act' k th0 : forall widths din off (x : vec -> vec),
  (forall j, (j < din)%nat -> C1_at k (fun th => x th j) th0) -> (off + nparams din widths <= k)%nat ->
  preactivations (C1_near act act') act din widths off th0 (x th0) ->
  forall i, (i < outdim din widths)%nat -> C1_at k (fun th => mlp act din widths off th (x th) i) th0.
Proof.
  induction widths as [|d rest IH]; intros din off x Hx Hk Hp i Hi.
  - exact (Hx i Hi).
  - cbn [nparams] in Hk. destruct rest as [|d' rest'].
    + cbn [outdim] in Hi. exact (affine_C1 k din d off x th0 i Hx Hi ltac:(lia)).
    + destruct Hp as [Hp1 Hp2].
      apply (IH d (off + (d * din + d))%nat (fun th l => act (affine din d off th (x th) l)));
        [| lia | exact Hp2 | exact Hi].
      intros j Hj. destruct (Hp1 j Hj) as [Ha Hc].
      apply (C1_comp1 k act act' (fun th => affine din d off th (x th) j) th0 Ha Hc).
      exact (affine_C1 k din d off x th0 j Hx Hj ltac:(lia)).
Qed.

(* A perceptron with a C1 activation is continuously differentiable in its parameters, everywhere. *)
Theorem mlp_C1 act din widths X i th0 : C1_activation act -> (i < outdim din widths)%nat ->
  C1_at (nparams din widths) (fun th => mlp act din widths 0 th X i) th0.
Proof.
  intros [act' [Ha Hc]] Hi.
  apply (mlp_C1_at act act' (nparams din widths) th0 widths din 0%nat (fun _ => X)); [| lia | | exact Hi].
  - intros j _. apply C1_const.
  - apply preactivations_all. intros z. split; [apply filter_forall; exact Ha | apply Hc].
Qed.

Lemma relu_C1_near z : z <> 0 -> C1_near relu (fun z => if Rlt_dec 0 z then 1 else 0) z.
Proof.
  intros Hz. assert (Hp : 0 < Rabs z) by (apply Rabs_pos_lt, Hz).
  assert (S : locally z (fun c => (0 < z /\ 0 < c) \/ (z < 0 /\ c < 0))).
  { exists (mkposreal _ Hp). intros c Hc. change (Rabs (c - z) < Rabs z) in Hc.
    apply Rabs_lt_between in Hc. destruct (Rdichotomy _ _ Hz) as [H|H].
    - right. rewrite (Rabs_left z H) in Hc. lra.
    - left. rewrite (Rabs_right z (Rgt_ge _ _ H)) in Hc. lra. }
  split.
  - generalize (locally_locally _ _ S). apply filter_imp. intros c Hc.
    pose proof (locally_singleton _ _ Hc) as H0.
    destruct H0 as [[H1 H2]|[H1 H2]].
    + destruct (Rlt_dec 0 c) as [_|]; [|lra].
      apply (is_derive_ext_loc (fun t : R => t)); [|exact (is_derive_id (K := R_AbsRing) c)].
      generalize Hc. apply filter_imp. intros t Ht. unfold relu. symmetry. apply Rmax_right. lra.
    + destruct (Rlt_dec 0 c) as [|_]; [lra|]. apply is_derive_ext_loc with (fun _ => 0);
        [|apply (is_derive_const (V := R_NormedModule))].
      generalize Hc. apply filter_imp. intros t Ht. unfold relu. symmetry. apply Rmax_left. lra.
  - destruct (Rdichotomy _ _ Hz) as [H|H].
    + apply continuous_ext_loc with (fun _ => 0); [|apply continuous_const].
      generalize S. apply filter_imp. intros t Ht. destruct (Rlt_dec 0 t); lra.
    + apply continuous_ext_loc with (fun _ => 1); [|apply continuous_const].
      generalize S. apply filter_imp. intros t Ht. destruct (Rlt_dec 0 t); lra.
Qed.

(* ReLU perceptrons are continuously differentiable where no hidden unit stands at 0. *)
Theorem relu_mlp_C1 din widths X i th0 : off_kinks relu din widths 0 th0 X -> (i < outdim din widths)%nat ->
  C1_at (nparams din widths) (fun th => mlp relu din widths 0 th X i) th0.
Proof.
  intros Hk Hi. apply (mlp_C1_at relu (fun z => if Rlt_dec 0 z then 1 else 0) _ th0 widths din 0%nat
    (fun _ => X)); [| lia | | exact Hi].
  - intros j _. apply C1_const.
  - exact (preactivations_impl _ _ relu relu_C1_near widths din 0%nat th0 X Hk).
Qed.

(* ---------- symmetric output Hessians (see Losses for squared error and cross-entropy) ---------- *)

Lemma wmse_hess_sym b z i j : wmse_hess b z i j = wmse_hess b z j i.
Proof.
  unfold wmse_hess, delta. rewrite (Nat.eqb_sym j i).
  destruct (Nat.eqb_spec i j) as [-> | _]; [reflexivity | ring].
Qed.

Lemma through_hess_sym n m A H : (forall z i j, (i < m)%nat -> (j < m)%nat -> H z i j = H z j i) ->
  forall z i j, through_hess n m A H z i j = through_hess n m A H z j i.
Proof.
  intros Hs z i j. unfold through_hess.
  assert (E : forall p q, rsum m (fun s => A s p * rsum m (fun t => H (through n A z) s t * A t q)) =
    rsum m (fun s => rsum m (fun t => A s p * H (through n A z) s t * A t q))).
  { intros p q. apply rsum_ext; intros s _. rewrite <- rsum_scal. apply rsum_ext; intros t _. ring. }
  rewrite !E, rsum_swap. apply rsum_ext; intros s Hs'. apply rsum_ext; intros t Ht.
  rewrite (Hs _ t s Ht Hs'). ring.
Qed.

(* ---------- from C1 networks to the hypotheses of many_steps ---------- *)

Lemma C1_network k n m f th0 :
  (forall x i, (x < m)%nat -> (i < n)%nat -> C1_at k (fun th => f x th i) th0) ->
  (exists r, 0 < r /\ forall th, nrm k (vsub th th0) < r ->
     forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th' => f x th' i) th) /\
  (forall x i j, (x < m)%nat -> (i < n)%nat -> (j < k)%nat -> continuous_at k (fun th => jac f th x i j) th0).
Proof.
  intros HC. split.
  - assert (N : nbhd k th0 (fun th => forall x, (x < m)%nat -> forall i, (i < n)%nat ->
      differentiable k (fun th' => f x th' i) th)).
    { apply nbhd_fin; intros x Hx.
      apply (nbhd_fin k th0 n (fun i th => differentiable k (fun th' => f x th' i) th)); intros i Hi.
      exact (proj1 (HC x i Hx Hi)). }
    destruct N as [r [Hr HN]]. exists r. split; [exact Hr|]. intros th Hth x i Hx Hi.
    exact (HN th Hth x Hx i Hi).
  - intros x i j Hx Hi Hj. exact (proj2 (HC x i Hx Hi) j Hj).
Qed.

(* ---------- many steps ---------- *)

(* The many-step theorem for perceptrons: any C1 activation, any compatible loss with a symmetric Hessian, T
   stable steps on any batches. *)
Theorem many_steps_mlp act din widths m n X sel L a H w alpha rho T LT th0 eta :
  C1_activation act -> (forall i, (i < n)%nat -> (sel i < outdim din widths)%nat) ->
  compatible n L a H -> (forall z i j, (i < n)%nat -> (j < n)%nat -> H z i j = H z j i) ->
  let k := nparams din widths in
  let f := mlp_outputs act din widths X sel in
  let K s := ggn k n m H (w s) f th0 in
  let u := fun j => eta * gstep LT th0 j in
  let th := student m L w alpha f th0 u in
  differentiable k LT th0 -> 0 < eta ->
  (forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x) ->
  (forall s, (s < T)%nat -> 0 < alpha s /\ 0 < rho s /\ alpha s * rho s < 2) ->
  (forall s z, (s < T)%nat -> dot k (K s z) z <= rho s * dot k z z) ->
  (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (vsub (th e T) th0) u /\ LT (th e T) < LT th0.
Proof.
  intros Ha Hsel HL Hsym k f K u th HT Heta Hw Hst Hrho Hex.
  destruct (C1_network k n m f th0 (fun x i _ Hi => mlp_C1 act din widths (X x) (sel i) th0 Ha (Hsel i Hi)))
    as [Hd Hc].
  exact (many_steps k n m L a H w alpha f th0 LT eta T rho HL Hsym Hd Hc HT Heta Hw Hst Hrho Hex).
Qed.

(* The many-step theorem for tanh perceptrons and softmax cross-entropy.  A batch sees u iff some input of
   positive weight has logit changes J_x u that differ between outputs (ce_pos_iff, through ggn_dot). *)
Theorem many_steps_tanh_mlp din widths m n X sel w alpha rho T LT th0 eta :
  (0 < n)%nat -> (forall i, (i < n)%nat -> (sel i < outdim din widths)%nat) ->
  let k := nparams din widths in
  let f := mlp_outputs tanh din widths X sel in
  let K s := ggn k n m (ce_hess n) (w s) f th0 in
  let u := fun j => eta * gstep LT th0 j in
  let th := student m (cross_entropy n) w alpha f th0 u in
  differentiable k LT th0 -> 0 < eta ->
  (forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x) ->
  (forall s, (s < T)%nat -> 0 < alpha s /\ 0 < rho s /\ alpha s * rho s < 2) ->
  (forall s z, (s < T)%nat -> dot k (K s z) z <= rho s * dot k z z) ->
  (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (vsub (th e T) th0) u /\ LT (th e T) < LT th0.
Proof.
  intros Hn Hsel. exact (many_steps_mlp tanh din widths m n X sel (cross_entropy n) (softmax n) (ce_hess n)
    w alpha rho T LT th0 eta tanh_C1 Hsel (ce_compatible n Hn) (fun z i j _ _ => ce_hess_sym n z i j)).
Qed.

(* The many-step theorem for tanh perceptrons and squared error.  A batch sees u iff some input of positive
   weight has J_x u <> 0 (mse_pos_iff, through ggn_dot). *)
Theorem many_steps_tanh_mlp_mse din widths m n X sel w alpha rho T LT th0 eta :
  (forall i, (i < n)%nat -> (sel i < outdim din widths)%nat) ->
  let k := nparams din widths in
  let f := mlp_outputs tanh din widths X sel in
  let K s := ggn k n m mse_hess (w s) f th0 in
  let u := fun j => eta * gstep LT th0 j in
  let th := student m (mse n) w alpha f th0 u in
  differentiable k LT th0 -> 0 < eta ->
  (forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x) ->
  (forall s, (s < T)%nat -> 0 < alpha s /\ 0 < rho s /\ alpha s * rho s < 2) ->
  (forall s z, (s < T)%nat -> dot k (K s z) z <= rho s * dot k z z) ->
  (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (vsub (th e T) th0) u /\ LT (th e T) < LT th0.
Proof.
  intros Hsel. exact (many_steps_mlp tanh din widths m n X sel (mse n) mse_link mse_hess w alpha
    rho T LT th0 eta tanh_C1 Hsel (mse_compatible n) (fun z i j _ _ => mse_hess_sym z i j)).
Qed.

(* The many-step theorem for tanh perceptrons and softmax cross-entropy with no condition on rho: all small
   enough step sizes will do. *)
Theorem many_small_steps_tanh_mlp din widths m n X sel w T LT th0 eta :
  (0 < n)%nat -> (forall i, (i < n)%nat -> (sel i < outdim din widths)%nat) ->
  let k := nparams din widths in
  let f := mlp_outputs tanh din widths X sel in
  let u := fun j => eta * gstep LT th0 j in
  differentiable k LT th0 -> 0 < eta ->
  (forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x) ->
  (exists s, (s < T)%nat /\ 0 < dot k (ggn k n m (ce_hess n) (w s) f th0 u) u) ->
  exists amax, 0 < amax /\ forall alpha, (forall s, (s < T)%nat -> 0 < alpha s < amax) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
    let th := student m (cross_entropy n) w alpha f th0 u e T in 0 < dot k (vsub th th0) u /\ LT th < LT th0.
Proof.
  intros Hn Hsel k f u HT Heta Hw Hex.
  destruct (C1_network k n m f th0
    (fun x i _ Hi => mlp_C1 tanh din widths (X x) (sel i) th0 tanh_C1 (Hsel i Hi))) as [Hd Hc].
  exact (many_steps_small k n m _ _ _ w f th0 LT eta T (ce_compatible n Hn)
    (fun z i j _ _ => ce_hess_sym n z i j) Hd Hc HT Heta Hw Hex).
Qed.

(* The many-step theorem for ReLU perceptrons and softmax cross-entropy, all small enough step sizes: the
   condition on th0 is that no hidden unit has pre-activation 0 at an input X x (off_kinks_satisfiable). *)
Theorem many_small_steps_relu_mlp din widths m n X sel w T LT th0 eta :
  (0 < n)%nat -> (forall i, (i < n)%nat -> (sel i < outdim din widths)%nat) ->
  (forall x, (x < m)%nat -> off_kinks relu din widths 0 th0 (X x)) ->
  let k := nparams din widths in
  let f := mlp_outputs relu din widths X sel in
  let u := fun j => eta * gstep LT th0 j in
  differentiable k LT th0 -> 0 < eta ->
  (forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x) ->
  (exists s, (s < T)%nat /\ 0 < dot k (ggn k n m (ce_hess n) (w s) f th0 u) u) ->
  exists amax, 0 < amax /\ forall alpha, (forall s, (s < T)%nat -> 0 < alpha s < amax) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
    let th := student m (cross_entropy n) w alpha f th0 u e T in 0 < dot k (vsub th th0) u /\ LT th < LT th0.
Proof.
  intros Hn Hsel Hk k f u HLT Heta Hw Hex.
  destruct (C1_network k n m f th0) as [Hd Hc].
  { intros x i Hx Hi. apply relu_mlp_C1; [apply Hk, Hx | apply Hsel, Hi]. }
  exact (many_steps_small k n m _ _ _ w f th0 LT eta T (ce_compatible n Hn)
    (fun z i j _ _ => ce_hess_sym n z i j) Hd Hc HLT Heta Hw Hex).
Qed.
